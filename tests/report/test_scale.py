from __future__ import annotations

import itertools
import unittest

from durabletest.report.lanes import Position, Scale
from tests.model.histories import seconds

MONTH = 30 * 24 * 3600


def scale(*instants: float, busy: tuple[tuple[float, float], ...] = ()) -> Scale:
    return Scale(map(seconds, instants), [(seconds(begin), seconds(end)) for begin, end in busy])


class ScaleTests(unittest.TestCase):
    def places(self, axis: Scale, *instants: float) -> list[Position]:
        return [axis.at(seconds(instant)) for instant in instants]

    def test_to_scale(self) -> None:
        axis = scale(0, 60, 240)
        self.assertEqual([place.true for place in self.places(axis, 0, 60, 240)], [0, 25, 100])

    def test_idle_time_is_squeezed(self) -> None:
        axis = scale(0, 60, 60 + MONTH, 120 + MONTH)
        places = self.places(axis, 0, 60, 60 + MONTH, 120 + MONTH)
        self.assertLess(places[1].true, 0.01)
        gaps = [later.squeezed - earlier.squeezed for earlier, later in itertools.pairwise(places)]
        self.assertAlmostEqual(gaps[0], gaps[2], 2)
        self.assertGreater(gaps[0], 15)
        self.assertGreater(gaps[1], gaps[0])
        self.assertEqual(places[-1].squeezed, 100)

    def test_the_time_of_invocations_is_to_scale_on_the_squeezed_axis_too(self) -> None:
        axis = scale(0, 1, 3601, 3604, busy=((0, 1), (3601, 3604)))
        places = self.places(axis, 0, 1, 3601, 3604)
        gaps = [round(later.squeezed - earlier.squeezed, 1) for earlier, later in itertools.pairwise(places)]
        self.assertEqual(gaps, [15, 40, 45])

    def test_of_overlapping_invocations_all_time_is_busy(self) -> None:
        axis = scale(0, 1, 2, 4, busy=((0, 4), (1, 2)))
        self.assertEqual([place.squeezed for place in self.places(axis, 0, 1, 2, 4)], [0, 25, 50, 100])

    def test_one_instant(self) -> None:
        self.assertEqual(self.places(scale(7), 7), [Position(0, 0)])
        self.assertEqual([tick.label for tick in scale(7).ticks()], ["0s", "0s"])

    def test_outside_of_the_axis_is_at_its_ends(self) -> None:
        self.assertEqual(self.places(scale(5, 10), 0, 20), [Position(0, 0), Position(100, 100)])

    def test_labels_have_room(self) -> None:
        ticks = scale(*range(100), MONTH).ticks()
        for true in (True, False):
            places = [tick.place for tick in ticks if tick.true is true]
            self.assertEqual((places[0], places[-1]), (0, 100))
            self.assertTrue(all(later - earlier >= 12 for earlier, later in itertools.pairwise(places)), places)
        self.assertEqual([tick.label for tick in ticks if tick.true], ["0s", "30d"])
