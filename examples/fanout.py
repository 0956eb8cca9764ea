"""Thumbnails for a list of images: all at once, with a few broken ones tolerated, then published side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_durable_execution_sdk_python import DurableContext, ParallelBranch, StepContext, durable_execution
from aws_durable_execution_sdk_python.config import CompletionConfig, Duration, MapConfig, StepConfig
from aws_durable_execution_sdk_python.retries import RetryPresets

TOLERATED = 2
ONCE = StepConfig(retry_strategy=RetryPresets.none())
A_FEW_MAY_FAIL = MapConfig(
    completion_config=CompletionConfig(tolerated_failure_count=TOLERATED),
    item_namer=lambda image, _index: f"image-{image}",
)


def thumbnail(context: DurableContext, image: str, _index: int, _images: Sequence[str]) -> str:
    def render(_: StepContext) -> str:
        if image.startswith("broken"):
            raise ValueError(f"{image} is not an image")
        return f"{image}.thumb"

    context.wait(Duration.from_seconds(10), name="queue")
    return context.step(render, name="render", config=ONCE)


@durable_execution
def fanout_handler(event: dict[str, Any], context: DurableContext) -> dict[str, Any]:
    images = event["images"]
    batch = context.map(images, thumbnail, name="thumbnails", config=A_FEW_MAY_FAIL)
    skipped = [images[item.index] for item in batch.failed()]
    if len(skipped) > TOLERATED:
        return {"status": "given up", "skipped": skipped}
    thumbnails = batch.get_results()

    def build_gallery(branch: DurableContext) -> str:
        return branch.step(lambda _: " ".join(thumbnails), name="build")

    def tell_owner(branch: DurableContext) -> str:
        return branch.step(lambda _: f"{len(thumbnails)} of {len(images)}", name="mail")

    branches = [ParallelBranch(build_gallery, name="gallery"), ParallelBranch(tell_owner, name="owner")]
    gallery, mail = context.parallel(branches, name="publish").get_results()
    return {"status": "published", "gallery": gallery, "mail": mail, "skipped": skipped}
