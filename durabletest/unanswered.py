"""Complaints about callback scripts that were left over: what exists instead, and what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from durabletest.model.enums import OperationStatus, OperationType
from durabletest.model.history import History
from durabletest.model.records import OperationRecord
from durabletest.model.suggest import listed, nearest
from durabletest.model.times import span, stamp
from durabletest.model.titles import title
from durabletest.model.traits import as_written, callback_names, submitter_child
from durabletest.scripts import Action, CallbackScript, ScriptBook, Use

Histories = Mapping[str, History]
"""The histories of all executions so far, by ARN."""


def unanswered(book: ScriptBook, histories: Histories) -> str | None:
    """Why each script, or an answer of it, did not come to a callback; None if all did or need not.

    An answer whose time has not come yet, at a callback that still waits, is none of them.
    """
    scripts = [script for script in book.scripts.values() if not script.optional]
    return "\n\n".join(words for script in scripts for words in _complaints(script, book, histories)) or None


def _complaints(script: CallbackScript, book: ScriptBook, histories: Histories) -> Iterator[str]:
    if not script.answers:
        yield (
            f"{script} says nothing: write what comes to the callback, {script}.succeed(...), .fail(...), .call(...) "
            "or .heartbeat(...), or .never() if nobody answers"
        )
    elif not script.uses:
        yield f"{script} was never used: {_why_never(script, book, histories)}"
    for use in script.uses:
        yield from _lost(use, histories)
    left = len(script.answers) - len(script.uses)
    if script.uses and left:
        came = "1 callback" if len(script.uses) == 1 else f"{len(script.uses)} callbacks"
        yield (
            f"{script} has {len(script.answers)} answers, and {came} of that name came: {left} never used\n"
            f"{_need_not(script)}"
        )


# --- answers that did not arrive ---


def refused(use: Use, action: Action, words: str) -> str:
    """The complaint about an answer that the service has refused, in its own words."""
    return f"{use.script}: the answer{_after(action)} was refused: {words}\n{_need_not(use.script)}"


def _lost(use: Use, histories: Histories) -> Iterator[str]:
    for action, words in use.refused:
        if action.is_answer:
            yield refused(use, action, words)
    answer = next((action for action in use.answer.actions if action.is_answer), None)
    history = histories.get(use.callback.arn)
    if use.answered or answer is None or history is None:
        return
    ended = _ended(use.callback.callback_id, history)
    if ended is not None:
        yield (
            f"{use.script}: the answer{_after(answer)} never came: {ended}\n"
            f"If nobody is to answer, write {use.script}.never(). {_need_not(use.script)}"
        )


def _ended(callback_id: str, history: History) -> str | None:
    """Why a callback takes no answer any more; None if it still does."""
    record = next((record for record in history.operations if record.callback_id == callback_id), None)
    if record is not None and record.status.is_terminal and record.ended_at is not None:
        return f"{title(history, as_written(history, record))} is {record.status} since {stamp(record.ended_at)}"
    execution = history.execution
    if execution.ended_at is not None:
        return f"the execution is {execution.status} since {stamp(execution.ended_at)}"
    return None


def _after(action: Action) -> str:
    return f" after {span(action.after)}" if action.after else ""


# --- scripts that no callback came to ---


def _why_never(script: CallbackScript, book: ScriptBook, histories: Histories) -> str:
    if not histories:
        return "nothing was executed"
    operations = [(history, record) for history in histories.values() for record in history.operations]
    callbacks = [
        (history, record, callback_names(history, record))
        for history, record in operations
        if record.type is OperationType.CALLBACK
    ]
    for history, record, names in callbacks:
        if script.name in names:
            return _why_not(script, book, history, record)
    for history, record in operations:
        if record.name == script.name:
            return f"{title(history, record)} is a {record.type}, not a callback"
    known = list(dict.fromkeys(names[0] for _, _, names in callbacks if names))
    return (
        f"no callback has that name{nearest(script.name.rpartition('/')[2], known)}\n"
        f"The callbacks of the test's executions: {listed(known) or 'none has a name'}\n{_need_not(script)}"
    )


def _why_not(script: CallbackScript, book: ScriptBook, history: History, callback: OperationRecord) -> str:
    """There is a callback of that name."""
    about = title(history, as_written(history, callback))
    other = next(
        (one for one in book.scripts.values() for use in one.uses if use.callback.callback_id == callback.callback_id),
        None,
    )
    if other is not None:
        return f"{about} was answered by {other}"
    submitter = submitter_child(history, as_written(history, callback))
    if submitter is not None and submitter.status is not OperationStatus.SUCCEEDED:
        return f"{about} could not be answered, for its submitter is {submitter.status}"
    return f"{about} was created before the script: write {script} before self.execute(...)"


def _need_not(script: CallbackScript) -> str:
    return f"If it need not be used, write on_callback({script.name!r}, optional=True)"
