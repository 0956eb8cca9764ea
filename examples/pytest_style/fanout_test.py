from datetime import timedelta

import pytest
from fanout import fanout_handler

from durabletest import OperationStatus, OperationType


@pytest.fixture
def gallery(durable):
    return durable(fanout_handler)


def test_all_images_are_rendered_and_published(gallery):
    gallery.execute({"images": ["a", "b"]})
    gallery.assertExecution().succeeded(
        {"status": "published", "gallery": "a.thumb b.thumb", "mail": "2 of 2", "skipped": []}
    )
    gallery.assertOperation("publish/gallery/build").succeeded("a.thumb b.thumb")
    gallery.assertOperation("publish/owner/mail").succeeded("2 of 2")


@pytest.mark.parametrize("image", ["a", "b", "c"])
def test_every_image_is_a_branch_of_its_own(gallery, image):
    gallery.execute({"images": ["a", "b", "c"]})
    gallery.assertOperation(f"thumbnails/image-{image}").of_type(OperationType.CONTEXT).succeeded()
    gallery.assertOperation(f"thumbnails/image-{image}/queue").waited(seconds=10)
    gallery.assertOperation(f"thumbnails/image-{image}/render").succeeded(f"{image}.thumb").attempts(1)


def test_a_broken_image_is_skipped(gallery):
    result = gallery.execute({"images": ["a", "broken-1", "c"]})
    gallery.assertExecution().succeeded(
        {"status": "published", "gallery": "a.thumb c.thumb", "mail": "2 of 3", "skipped": ["broken-1"]}
    )
    gallery.assertOperation("thumbnails").succeeded()
    gallery.assertOperation("image-broken-1").failed(message="broken-1 is not an image")
    failed = [operation.name for operation in result.get_operations(OperationStatus.FAILED)]
    assert sorted(failed) == ["image-broken-1", "render"]


def test_with_too_many_broken_images_nothing_is_published(gallery):
    gallery.execute({"images": ["broken-1", "broken-2", "broken-3"]})
    gallery.assertExecution().succeeded({"status": "given up", "skipped": ["broken-1", "broken-2", "broken-3"]})
    gallery.assertNoOperation("publish")


def test_no_images_make_an_empty_gallery(gallery):
    gallery.execute({"images": []})
    gallery.assertExecution().succeeded({"status": "published", "gallery": "", "mail": "0 of 0", "skipped": []})


@pytest.mark.local_only
def test_images_wait_side_by_side(gallery):
    result = gallery.execute({"images": ["a", "b", "c"]})
    assert result.get_operation("thumbnails").duration == timedelta(seconds=10)
