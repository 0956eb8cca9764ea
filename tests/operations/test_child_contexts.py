"""Child contexts, maps and parallels: nesting, completion policies, large results."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, durable_execution
from aws_durable_execution_sdk_python.config import (
    CompletionConfig,
    Duration,
    MapConfig,
    NestingType,
    ParallelBranch,
    ParallelConfig,
    StepConfig,
)
from aws_durable_execution_sdk_python.retries import RetryPresets

from durabletest import DurableTestCase

LARGE = 300_000
"""Characters: more than a context's payload may have, so that its children are replayed instead."""
ONCE = StepConfig(retry_strategy=RetryPresets.none())


@durable_execution
def nested(event: Any, context: DurableContext) -> Any:
    def inner(child: DurableContext) -> int:
        child.wait(Duration.from_minutes(1), name="pause")
        return child.step(lambda _: 2, name="work")

    def outer(child: DurableContext) -> int:
        return child.run_in_child_context(inner, name="inner") + child.step(lambda _: 1, name="work")

    return context.run_in_child_context(outer, name="outer")


class NestedTests(DurableTestCase):
    handler = nested

    def test_operations_are_found_by_their_path(self) -> None:
        self.execute()
        self.assertExecution().succeeded(3)
        self.assertOperation("outer").succeeded(3)
        self.assertOperation("outer/inner").succeeded(2)
        self.assertOperation("outer/inner/pause").waited(minutes=1)
        self.assertOperation("outer/work").succeeded(1)
        self.assertOperation("work", 0).succeeded(2)
        self.assertOperation("work", 1).succeeded(1)


@durable_execution
def large(event: Any, context: DurableContext) -> Any:
    def build(child: DurableContext) -> str:
        return "".join(child.step(lambda _: "x" * (LARGE // 3), name="part") for _ in range(3))

    text = context.run_in_child_context(build, name="build")
    context.wait(Duration.from_hours(1))
    return len(text)


class LargeResultTests(DurableTestCase):
    handler = large

    def test_a_result_over_the_limit_is_replayed_from_its_children(self) -> None:
        result = self.execute()
        self.assertExecution().succeeded(LARGE)
        self.assertEqual([operation.name for operation in result.get_operations()].count("part"), 3)


def judge(context: DurableContext, item: int, index: int, items: Any) -> int:
    def check(_: Any) -> int:
        if item < 0:
            raise ValueError(f"item {item}")
        return item * 10

    context.wait(Duration.from_minutes(abs(item)), name="think")
    return context.step(check, name="check", config=ONCE)


def mapping(config: MapConfig) -> Any:
    @durable_execution
    def handler(event: list[int], context: DurableContext) -> Any:
        batch = context.map(event, judge, name="judge", config=config)
        return {"ok": sorted(batch.get_results()), "reason": batch.completion_reason.value}

    return handler


class MapAllCompletedTests(DurableTestCase):
    handler = mapping(MapConfig(completion_config=CompletionConfig.all_completed()))

    def test_every_item_runs_and_failures_are_counted(self) -> None:
        result = self.execute([1, -2, 3])
        self.assertExecution().succeeded({"ok": [10, 30], "reason": "ALL_COMPLETED"})
        self.assertEqual(len([o for o in result.get_operations() if o.sub_type == "MapIteration"]), 3)
        self.assertOperation("judge").succeeded()
        self.assertEqual(result.get_operation("judge").duration, timedelta(minutes=3))


class MapTolerantTests(DurableTestCase):
    handler = mapping(MapConfig(completion_config=CompletionConfig(tolerated_failure_count=1)))

    def test_more_failures_than_tolerated_end_the_map_early(self) -> None:
        self.execute([-1, -2, 60])
        self.assertExecution().succeeded({"ok": [], "reason": "FAILURE_TOLERANCE_EXCEEDED"})
        self.assertOperation("judge").succeeded()


class MapOneByOneTests(DurableTestCase):
    handler = mapping(MapConfig(max_concurrency=1, completion_config=CompletionConfig.all_completed()))

    def test_with_a_concurrency_of_one_durations_add_up(self) -> None:
        result = self.execute([1, 2, 3])
        self.assertEqual(result.get_operation("judge").duration, timedelta(minutes=6))


class MapFlatTests(DurableTestCase):
    handler = mapping(MapConfig(completion_config=CompletionConfig.all_completed(), nesting_type=NestingType.FLAT))

    def test_flat_nesting_has_no_iterations_in_the_history(self) -> None:
        result = self.execute([1, 2])
        self.assertExecution().succeeded({"ok": [10, 20], "reason": "ALL_COMPLETED"})
        self.assertEqual([o for o in result.get_operations() if o.sub_type == "MapIteration"], [])
        self.assertOperations(name="judge/check").count(2).each.succeeded()


def wait_minutes(minutes: int) -> ParallelBranch[Any]:
    def branch(child: DurableContext) -> int:
        child.wait(Duration.from_minutes(minutes), name=f"wait {minutes}")
        return minutes

    return ParallelBranch(branch, name=f"branch-{minutes}")


def racing(config: ParallelConfig) -> Any:
    @durable_execution
    def handler(event: list[int], context: DurableContext) -> Any:
        batch = context.parallel([wait_minutes(minutes) for minutes in event], name="race", config=config)
        return {"ok": sorted(batch.get_results()), "reason": batch.completion_reason.value}

    return handler


class FirstSuccessfulTests(DurableTestCase):
    handler = racing(ParallelConfig(completion_config=CompletionConfig.first_successful()))

    def test_the_first_branch_wins_and_the_others_are_left(self) -> None:
        result = self.execute([50, 10, 90])
        self.assertExecution().succeeded({"ok": [10], "reason": "MIN_SUCCESSFUL_REACHED"})
        self.assertEqual(result.get_operation("race").duration, timedelta(minutes=10))
        self.assertOperation("race/branch-10").succeeded(10)
        self.assertOperation("race/branch-50/wait 50").started()


class MinimumSuccessfulTests(DurableTestCase):
    handler = racing(ParallelConfig(completion_config=CompletionConfig(min_successful=2)))

    def test_two_of_three_are_enough(self) -> None:
        result = self.execute([50, 10, 90])
        self.assertExecution().succeeded({"ok": [10, 50], "reason": "MIN_SUCCESSFUL_REACHED"})
        self.assertEqual(result.get_operation("race").duration, timedelta(minutes=50))


class AllSuccessfulTests(DurableTestCase):
    handler = racing(ParallelConfig(completion_config=CompletionConfig.all_successful()))

    def test_all_branches_are_waited_for(self) -> None:
        result = self.execute([50, 10, 90])
        self.assertExecution().succeeded({"ok": [10, 50, 90], "reason": "ALL_COMPLETED"})
        self.assertEqual(result.get_operation("race").duration, timedelta(minutes=90))
