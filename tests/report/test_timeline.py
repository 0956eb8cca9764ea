from __future__ import annotations

import io
import itertools
import unittest

from durabletest.model.history import History
from durabletest.report.table import WIDTH
from durabletest.report.timeline import ASCII, BOX, Axis, glyphs_for, timeline
from tests.model.histories import Script, error, history_of, order, retry, seconds


def retried() -> Script:
    """A step that failed, was retried after five minutes and succeeded, in a context, and a wait of a day."""
    script = Script().op("ContextStarted", "1", name="order", sub_type="RunInChildContext")
    script.op("StepStarted", "2", name="charge", parent="1")
    script.op("StepFailed", "2", {"Error": error(), "RetryDetails": retry(1, 300)}).at(300)
    script.op("StepStarted", "2").op("StepSucceeded", "2", {"RetryDetails": retry(2)})
    script.op("ContextSucceeded", "1").op("WaitStarted", "3", {"Duration": 86400}, name="cool-down").at(86700)
    return script.op("WaitSucceeded", "3", {"Duration": 86400})


class TimelineTests(unittest.TestCase):
    maxDiff = None

    def assertTimeline(self, script: Script, expected: str, **options: object) -> None:
        drawn = timeline(history_of(script), **options)  # type: ignore[arg-type]
        self.assertEqual(drawn, expected.strip("\n"))
        self.assertLessEqual(max(map(len, drawn.splitlines())), WIDTH)

    def test_attempts_pauses_contexts_and_waits(self) -> None:
        self.assertTimeline(retried(), """
           0s         5m           1d 5m
order      ╞══════════●                   5m
  charge   ✗╌╌╌╌╌╌╌╌╌╌●                   5m, 2 attempts
cool-down             ├────────────────●  1d
● succeeded   ╌ until the next attempt
""")  # fmt: skip

    def test_plain_ascii(self) -> None:
        self.assertTimeline(retried(), """
           0s         5m           1d 5m
order      [==========o                   5m
  charge   x..........o                   5m, 2 attempts
cool-down             |----------------o  1d
o succeeded   . until the next attempt
""", glyphs=ASCII)  # fmt: skip

    def test_what_goes_on_reaches_to_where_it_is_due_or_to_the_end(self) -> None:
        script = Script().wait("1", 3600, name="nap").op("CallbackStarted", "2", name="answer")
        script.op("StepStarted", "3", name="charge")
        script.op("StepFailed", "3", {"Error": error(), "RetryDetails": retry(1, 60)})
        self.assertTimeline(script, """
        0s         1m              1h
nap     ├───────────────────────────▶  STARTED
answer  ├┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄▶  STARTED
charge  ✗╌╌╌╌╌╌╌╌╌╌▶                   PENDING
▶ not ended   ╌ until the next attempt
""")  # fmt: skip

    def test_pauses_have_a_line_of_their_own(self) -> None:
        script = Script().wait("1", 3600, name="nap").at(600).add("ExecutionPaused").at(1200).add("ExecutionResumed")
        script.at(1800).add("ExecutionPaused")
        self.assertTimeline(script, """
          0s            10m          20m           30m           1h
(paused)                ╌╌╌╌╌╌╌╌╌╌╌╌╌╌             ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  PAUSED
nap       ├───────────────────────────────────────────────────────▶  STARTED
▶ not ended
""")  # fmt: skip
        script.at(3600).op("WaitSucceeded", "1").add("ExecutionResumed").succeeded()
        self.assertTimeline(script, """
          0s            10m          20m           30m           1h
(paused)                ╌╌╌╌╌╌╌╌╌╌╌╌╌╌             ╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌╌  40m
nap       ├───────────────────────────────────────────────────────●  1h
● succeeded
""")  # fmt: skip

    def test_a_pause_ends_with_its_execution(self) -> None:
        script = Script().wait("1", 3600, name="nap").at(600).add("ExecutionPaused").at(1200)
        self.assertIn("10m", timeline(history_of(script.add("ExecutionStopped"))).splitlines()[1])

    def test_polls_are_no_failures(self) -> None:
        script = Script().op("StepStarted", "1", name="ready", sub_type="WaitForCondition")
        script.op("StepSucceeded", "1", {"RetryDetails": retry(1, 60)}).at(60)
        script.op("StepStarted", "1").op("StepSucceeded", "1", {"RetryDetails": retry(2)})
        self.assertIn("ready  ○╌╌╌╌╌╌╌╌╌╌╌╌╌●  1m, 2 attempts", timeline(history_of(script)))

    def test_how_operations_end(self) -> None:
        script = Script()
        for id_, end in enumerate(("Failed", "TimedOut", "Stopped"), 1):
            script.op("ChainedInvokeStarted", str(id_), name=end)
        script.at(60)
        for id_, end in enumerate(("Failed", "TimedOut", "Stopped"), 1):
            script.op(f"ChainedInvoke{end}", str(id_), {"Error": error()})
        self.assertTimeline(script, """
          0s           1m
Failed    ├┄┄┄┄┄┄┄┄┄┄┄┄┄✗  FAILED, 1m
TimedOut  ├┄┄┄┄┄┄┄┄┄┄┄┄┄◷  TIMED_OUT, 1m
Stopped   ├┄┄┄┄┄┄┄┄┄┄┄┄┄■  STOPPED, 1m
✗ failed   ◷ timed out   ■ stopped
""")  # fmt: skip

    def test_everything_at_one_instant(self) -> None:
        self.assertTimeline(Script().step("1", name="a").step("2", name="b"), """
   0s
a  ●
b  ●
● succeeded
""")  # fmt: skip

    def test_no_operations(self) -> None:
        self.assertEqual(timeline(History()), "(no operations)")

    def test_long_names_are_cut_so_that_the_bars_have_room(self) -> None:
        script = Script().step("1", name="n" * 200).step("2", name="line\nbreak")
        script.at(60).step("3")
        drawn = timeline(history_of(script)).splitlines()
        self.assertTrue(drawn[1].startswith("n" * 33 + "...  ●"), drawn[1])
        self.assertTrue(drawn[2].startswith(r"line\nbreak "), drawn[2])
        self.assertTrue(drawn[3].startswith("(unnamed) "), drawn[3])

    def test_never_wider_than_a_hundred_columns(self) -> None:
        script = Script()
        for i in range(300):
            script.at(i * 1000).step(str(i), name=f"a step with quite a long name, number {i}")
        script.op("ContextStarted", "last", name="c").at(10**7).op("ContextFailed", "last", {"Error": error()})
        for glyphs in (BOX, ASCII):
            lines = timeline(history_of(script), glyphs).splitlines()
            self.assertEqual(len(lines), 303)
            self.assertLessEqual(max(map(len, lines)), WIDTH)

    def test_the_legend_takes_as_many_lines_as_it_needs(self) -> None:
        script = Script().wait("9", 60)
        for id_, end in enumerate(("Failed", "TimedOut", "Stopped", "Succeeded"), 1):
            script.op("ChainedInvokeStarted", str(id_)).op(f"ChainedInvoke{end}", str(id_), {"Error": error()})
        drawn = timeline(history_of(script), width=60).splitlines()
        self.assertEqual(drawn[-2:], ["● succeeded   ✗ failed   ◷ timed out   ■ stopped", "▶ not ended"])

    def test_the_callback_example(self) -> None:
        self.assertIn("approval create callback id", timeline(history_of(order())))


class AxisTests(unittest.TestCase):
    def test_longer_gaps_are_wider_and_none_vanishes(self) -> None:
        axis = Axis([seconds(0), seconds(1), seconds(10**6), seconds(10**6 + 1)], 40)
        columns = [axis.column(seconds(at)) for at in (0, 1, 10**6, 10**6 + 1)]
        gaps = [later - earlier for earlier, later in itertools.pairwise(columns)]
        self.assertEqual(columns[0], 0)
        self.assertEqual(columns[-1], axis.width - 1)
        self.assertEqual(gaps[0], gaps[2])
        self.assertGreater(gaps[1], 2 * gaps[0])

    def test_more_instants_than_columns(self) -> None:
        axis = Axis(map(seconds, range(1000)), 30)
        self.assertEqual([axis.column(seconds(at)) for at in (0, 999)], [0, 29])
        self.assertEqual(len(axis.labels()), 30)

    def test_labels_leave_room_for_one_another(self) -> None:
        axis = Axis([seconds(0), *map(seconds, range(3600, 3606)), seconds(7200)], 60)
        self.assertEqual(axis.labels().split(), ["0s", "1h", "1h", "1s", "1h", "3s", "1h", "5s", "2h"])


class GlyphsTests(unittest.TestCase):
    def test_boxes_where_the_stream_can_show_them(self) -> None:
        for encoding, glyphs in (("utf-8", BOX), ("ascii", ASCII), ("latin-1", ASCII), ("no such encoding", ASCII)):
            with self.subTest(encoding):
                stream = type("Stream", (), {"encoding": encoding})()
                self.assertIs(glyphs_for(stream), glyphs)

    def test_streams_without_an_encoding(self) -> None:
        self.assertIs(glyphs_for(io.StringIO()), ASCII)
        self.assertIs(glyphs_for(None), ASCII)

    def test_ascii_is_ascii(self) -> None:
        self.assertTrue(ASCII.text.isascii())
