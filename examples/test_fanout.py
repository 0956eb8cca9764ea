from datetime import timedelta

from fanout import fanout_handler

from durabletest import DurableTestCase, OperationStatus, OperationType, local_only


class FanoutTests(DurableTestCase):
    handler = fanout_handler

    def test_all_images_are_rendered_and_published(self):
        self.execute({"images": ["a", "b"]})
        self.assertExecution().succeeded(
            {"status": "published", "gallery": "a.thumb b.thumb", "mail": "2 of 2", "skipped": []}
        )
        self.assertOperation("publish/gallery/build").succeeded("a.thumb b.thumb")
        self.assertOperation("publish/owner/mail").succeeded("2 of 2")

    def test_every_image_is_a_branch_of_its_own(self):
        self.execute({"images": ["a", "b", "c"]})
        for image in "abc":
            with self.subTest(image=image):
                self.assertOperation(f"thumbnails/image-{image}").of_type(OperationType.CONTEXT).succeeded()
                self.assertOperation(f"thumbnails/image-{image}/queue").waited(seconds=10)
                self.assertOperation(f"thumbnails/image-{image}/render").succeeded(f"{image}.thumb").attempts(1)

    def test_a_broken_image_is_skipped(self):
        result = self.execute({"images": ["a", "broken-1", "c"]})
        self.assertExecution().succeeded(
            {"status": "published", "gallery": "a.thumb c.thumb", "mail": "2 of 3", "skipped": ["broken-1"]}
        )
        self.assertOperation("thumbnails").succeeded()
        self.assertOperation("image-broken-1").failed(message="broken-1 is not an image")
        failed = [operation.name for operation in result.get_operations(OperationStatus.FAILED)]
        self.assertEqual(sorted(failed), ["image-broken-1", "render"])

    def test_with_too_many_broken_images_nothing_is_published(self):
        self.execute({"images": ["broken-1", "broken-2", "broken-3"]})
        self.assertExecution().succeeded({"status": "given up", "skipped": ["broken-1", "broken-2", "broken-3"]})
        self.assertNoOperation("publish")

    def test_no_images_make_an_empty_gallery(self):
        self.execute({"images": []})
        self.assertExecution().succeeded({"status": "published", "gallery": "", "mail": "0 of 0", "skipped": []})

    @local_only
    def test_images_wait_side_by_side(self):
        result = self.execute({"images": ["a", "b", "c"]})
        self.assertEqual(result.get_operation("thumbnails").duration, timedelta(seconds=10))
