"""Cases that ``@explore(payloads=...)`` generates with hypothesis, and the search for the smallest one that fails.

A case is a payload, answers to callbacks with their times, failures of steps, one crash and a schedule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from itertools import cycle, islice
from time import monotonic
from types import ModuleType
from typing import Any

from durabletest.errors import ConfigurationError, UsageError
from durabletest.exploration import ExploreOptions, Finding, Reduction, Trial
from durabletest.local.faults import PLACES, Fault, Injection, Place
from durabletest.local.schedules import SLOW, Schedule, written
from durabletest.progress import ProgressLine

_SHRINKING_SECONDS = 10.0
"""The most real seconds that are spent on making a failing case smaller."""
_SCOUTS = 4
"""One in so many cases is tried first: the timers, points and choices that these show are drawn from afterwards."""
_ANSWERS = 20
"""The callbacks of one name that are answered, by the answers of a case in turn."""
_LONGEST = 40 * 24 * 3600
"""The most seconds after which a callback is answered."""
_DURATIONS = ("Duration", "Timeout", "HeartbeatTimeout", "NextAttemptDelaySeconds")
"""Fields of events that hold seconds."""
_CRASHES = (Fault.REQUEST_LOST, Fault.ANSWER_LOST, Fault.KILLED, Fault.TIMED_OUT, Fault.THROTTLED, Fault.SERVICE_ERROR)


@dataclass(frozen=True, slots=True)
class CaseStrategies:
    """The strategies that cases are drawn from.

    ``payloads`` and the values of ``answers``, by callback name, are strategies of hypothesis; an answer that is an
    exception fails the callback. ``failures`` holds the exceptions that steps may raise, by name.
    """

    payloads: Any
    answers: Mapping[str, Any] = field(default_factory=dict)
    failures: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    crashes: bool = True


@dataclass(slots=True)
class Observed:
    """Facts of a run: points for a crash by kind, used answers by callback, seconds of timers, choices of schedules."""

    points: dict[Place, int] = field(default_factory=dict)
    crashed: bool = False
    used: dict[str, int] = field(default_factory=dict)
    seconds: set[int] = field(default_factory=set)
    choices: int = 0

    def add(self, run: Trial) -> None:
        """Count another run: most points and choices, and all timers."""
        for place, count in run.seen.points.items():
            self.points[place] = max(count, self.points.get(place, 0))
        self.choices = max(self.choices, len(run.schedule.choices))
        self.seconds |= run.seen.seconds


@dataclass(frozen=True, slots=True)
class GeneratedCase:
    """One case: answers as (value, seconds), failures as (exception, times), by name; the differences of a schedule."""

    payload: Any
    answers: Mapping[str, Sequence[tuple[Any, int]]] = field(default_factory=dict)
    failures: Mapping[str, tuple[Any, int] | None] = field(default_factory=dict)
    crash: str | None = None
    differences: Mapping[int, int] = field(default_factory=dict)

    @contextmanager
    def applied(self, test: Any, crashes: bool) -> Iterator[Observed]:
        """In the block, executions of the test have these answers, failures and crash."""
        seen = Observed()
        scripts = {name: test.on_callback(name, optional=True) for name in self.answers}
        for name, answers in self.answers.items():
            for value, seconds in islice(cycle(answers), _ANSWERS):
                answer = scripts[name].fail if isinstance(value, BaseException) else scripts[name].succeed
                answer(value, after=timedelta(seconds=seconds))
        for name, failure in self.failures.items():
            if failure is not None:
                test.stub_step(name, optional=True).first_raises(failure[0], times=failure[1])
        with test.runner.with_fault(self.crash) if crashes else nullcontext() as injector:
            try:
                yield seen
            finally:
                seen.used = {name: len(script.uses) for name, script in scripts.items()}
                if injector is not None:
                    seen.crashed = injector.happened
                    for point in injector.points:
                        seen.points[point.place] = point.number
                for result in test._durable_executions():
                    seen.seconds |= set(_seconds_in(result.history))

    def as_method(self, name: str, seen: Observed, is_async: bool) -> str:
        """A test method that runs this case, by what the explored one has shown in it."""
        asynchronous, awaiting = ("async ", "await ") if is_async else ("", "")
        lines = [f"{asynchronous}def {name}_found(self):"]
        if self.differences:
            lines.insert(0, f'@explore(schedule="{written(self.differences)}", same_result=False)')
        for callback, answers in self.answers.items():
            for value, seconds in islice(cycle(answers), seen.used.get(callback, 0)):
                verb = "fail" if isinstance(value, BaseException) else "succeed"
                after = f", after=timedelta(seconds={seconds})" if seconds else ""
                lines.append(f"    self.on_callback({callback!r}, optional=True).{verb}({value!r}{after})")
        for step, failure in self.failures.items():
            if failure is not None:
                error = failure[0].__name__ if isinstance(failure[0], type) else repr(failure[0])
                lines.append(f"    self.stub_step({step!r}, optional=True).first_raises({error}, times={failure[1]})")
        call = f"{awaiting}self.{name}({self.payload!r})"
        if seen.crashed:
            lines += [f"    with self.runner.with_fault({self.crash!r}):", f"        {call}"]
        else:
            lines.append(f"    {call}")
        return "\n".join(lines)


class CaseSearch:
    """Runs a test with one generated case after another until one fails it, and makes that one smaller.

    ``run`` runs the test once; ``name`` is that of the test method, ``title`` that of the test in its progress.
    """

    def __init__(
        self, options: ExploreOptions, run: Callable[[GeneratedCase], Trial], name: str, title: str, is_async: bool
    ) -> None:
        assert options.cases is not None
        self._options, self._strategies = options, options.cases
        self._run_once, self._name, self._is_async = run, name, is_async
        self._progress = ProgressLine(f"exploring {title}", many=True)
        self._runs = 0
        self._seen = Observed()
        self._outcomes: dict[str, str | None] = {}
        self._failing: tuple[GeneratedCase, str] | None = None
        self._until = float("inf")

    def find(self) -> Finding:
        """Find the smallest case that fails the test; the simplest one if none does."""
        with self._progress.shown():
            found = self._find()
        self._progress.summarise(f"{self._runs} runs")
        return found

    def _run(self, case: GeneratedCase) -> Trial:
        self._runs += 1
        smaller = ": a case has failed, and is made smaller" if self._failing else ""
        self._progress.show(f"run {self._runs}{smaller or f' of {self._options.schedules} generated cases'}")
        run = self._run_once(case)
        self._seen.add(run)
        return run

    def _find(self) -> Finding:
        simplest = simplest_case(self._strategies)
        first = self._run(simplest)
        self._outcomes[repr(simplest)] = first.failure
        if first.skipped:
            return Finding(case=simplest)
        if first.failure is not None:
            return self._finding(simplest, first.failure)
        which, parts = self._options.shard
        share = len(range(which, self._options.schedules, parts))
        for round_, count in enumerate((share // _SCOUTS, share - share // _SCOUTS)):
            if count and self._failing is None:
                cases = _strategy(self._strategies, self._seen)
                self._search(cases, count, 2 * (self._options.seed * parts + which) + round_)
        if self._failing is None:
            return Finding(count=len(self._outcomes), case=simplest)
        return self._finding(*self._failing)

    def _search(self, cases: Any, count: int, seed: int) -> None:
        hypothesis = _hypothesis()

        def attempt(case: GeneratedCase) -> None:
            failure = self._failure(case)
            if failure is not None:
                self._failing = case, failure
                raise _CaseFailsError

        search = _settings(count)(hypothesis.seed(seed)(hypothesis.given(cases)(attempt)))
        try:
            search()
        except _CaseFailsError:
            return

    def _failure(self, case: GeneratedCase) -> str | None:
        """The failure with this case; each is run once, and none any more when there is no time left for smaller ones.

        So what hypothesis sees of a case is always the same.
        """
        key = repr(case)
        if key not in self._outcomes:
            if monotonic() > self._until:
                return None
            self._outcomes[key] = self._run(case).failure
            if self._outcomes[key] is not None:
                self._until = min(self._until, monotonic() + _SHRINKING_SECONDS)
        return self._outcomes[key]

    def _finding(self, case: GeneratedCase, failure: str) -> Finding:
        """The finding about a case, which is run again to see how it came about, with fewer differences if possible."""
        run = self._run(case)
        if run.failure is not None and run.schedule.chosen():
            fewest, _ = Reduction(partial(self._fails_by, case), Schedule()).reduce(run.schedule, run.failure)
            run = self._run(replace(case, differences=fewest.chosen()))
        differences = run.schedule.chosen()
        found = replace(case, differences=differences)
        stories = "".join(f"\n  - {story}" for story in run.schedule.stories())
        order = f" In another order than by default:{stories}\n" if stories else " "
        method = found.as_method(self._name, run.seen, self._is_async)
        preface = (
            f"It fails with a generated case, {len(self._outcomes)} were tried (seed={self._options.seed}).{order}"
            "The smallest that was found, as a test of its own:\n\n"
            + "\n".join(f"    {line}" for line in method.splitlines())
        )
        return Finding(differences, preface, None, run.failure or failure, len(self._outcomes), found)

    def _fails_by(self, case: GeneratedCase, schedule: Schedule) -> str | None:
        """The failure of a case by another schedule, which then has the choices of that run."""
        run = self._run(replace(case, differences=schedule.differences))
        schedule.choices.extend(run.schedule.choices)
        return run.failure


class _CaseFailsError(Exception):
    """Tells hypothesis that the test has failed."""


def checked_strategies(payloads: Any, answers: Any, failures: Any, crashes: Any) -> CaseStrategies | None:
    """The strategies, None without any; raises UsageError if they are none, ConfigurationError without hypothesis."""
    if payloads is None:
        if answers is None and failures is None and crashes is True:
            return None
        raise UsageError("@explore: answers=, failures= and crashes= need payloads=, st.none() if there is no payload")
    strategy = _hypothesis().strategies.SearchStrategy
    if not isinstance(payloads, strategy):
        raise UsageError(f"@explore(payloads={payloads!r}): give a strategy of hypothesis, st.integers() for example")
    answers = {} if answers is None else answers
    if not isinstance(answers, Mapping) or not all(isinstance(one, strategy) for one in answers.values()):
        raise UsageError(
            f"@explore(answers={answers!r}): give strategies of hypothesis by callback name, "
            '{"approval": st.sampled_from(["yes", "no"])} for example'
        )
    failures = {} if failures is None else failures
    if not isinstance(failures, Mapping):
        raise UsageError(f"@explore(failures={failures!r}): give exceptions by step name, {{'charge': OSError}}")
    errors = {name: one if isinstance(one, list | tuple) else [one] for name, one in failures.items()}
    for name, several in errors.items():
        if not several or not all(isinstance(one, Exception) or _is_exception(one) for one in several):
            raise UsageError(f"@explore(failures={{{name!r}: {failures[name]!r}}}): give an exception, or several")
    if not isinstance(crashes, bool):
        raise UsageError(f"@explore(crashes={crashes!r}): give True or False")
    return CaseStrategies(payloads, answers, errors, crashes)


def simplest_case(strategies: CaseStrategies) -> GeneratedCase:
    """The case with which hypothesis begins: no failure of steps, no crash, the default schedule."""
    found: list[GeneratedCase] = []

    def take(case: GeneratedCase) -> None:
        found.append(case)

    _settings(1)(_hypothesis().given(_strategy(strategies, Observed()))(take))()
    return found[0]


def _settings(count: int) -> Any:
    hypothesis = _hypothesis()
    return hypothesis.settings(
        max_examples=count,
        database=None,
        deadline=None,
        report_multiple_bugs=False,
        print_blob=False,
        phases=[hypothesis.Phase.generate, hypothesis.Phase.shrink],
        suppress_health_check=list(hypothesis.HealthCheck),
        verbosity=hypothesis.Verbosity.quiet,
    )


def _strategy(strategies: CaseStrategies, seen: Observed) -> Any:
    """The strategy for cases, by what runs have shown so far; nothing, for the simplest case."""
    st = _hypothesis().strategies
    seconds = sorted({0, *(max(0, one + more) for one in seen.seconds for more in (-1, 0, 1))})
    later = st.sampled_from(seconds) | st.integers(0, _LONGEST)
    answers = {
        name: st.lists(st.tuples(values, later), min_size=1, max_size=3) for name, values in strategies.answers.items()
    }
    failures = {
        name: st.none() | st.tuples(st.sampled_from(list(errors)), st.integers(1, 3))
        for name, errors in strategies.failures.items()
    }
    crash, differences = st.none(), st.just({})
    if strategies.crashes and seen.points:
        most = {place: count + count // 2 + 1 for place, count in seen.points.items()}
        crash = st.none() | st.sampled_from([fault for fault in _CRASHES if PLACES[fault] in most]).flatmap(
            lambda fault: st.integers(1, most[PLACES[fault]]).map(lambda number: str(Injection(fault, number)))
        )
    if seen.choices:
        places = st.integers(0, seen.choices - 1)
        differences = st.dictionaries(places, st.sampled_from([1, 2, SLOW]), max_size=4)
    return st.builds(
        GeneratedCase,
        payload=strategies.payloads,
        answers=st.fixed_dictionaries(answers),
        failures=st.fixed_dictionaries(failures),
        crash=crash,
        differences=differences,
    )


def _seconds_in(value: Any, name: str = "") -> Iterator[int]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _seconds_in(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from _seconds_in(item, name)
    elif name in _DURATIONS and isinstance(value, int) and 0 < value <= _LONGEST:
        yield value


def _is_exception(one: object) -> bool:
    return isinstance(one, type) and issubclass(one, Exception)


def _hypothesis() -> ModuleType:
    try:
        import hypothesis
        import hypothesis.strategies
    except ImportError:
        raise ConfigurationError(
            "@explore(payloads=...) needs hypothesis: pip install 'durabletest[hypothesis]'"
        ) from None
    return hypothesis
