"""Handlers are imported from the folder of a function's code, unless they are loaded already."""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path
from typing import Any

from durabletest import ConfigurationError
from durabletest.template.documents import Document
from durabletest.template.functions import Template, TemplateFunction
from durabletest.template.handlers import import_handler
from tests.modules import forgotten
from tests.template.case import TemplateTestCase

SOURCE = "def handler(event, context):\n    return event\n\nnumber = 7\n"


class HandlerTests(TemplateTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory())).resolve()
        self.enterContext(forgotten(self.folder))

    def write(self, path: str, text: str = SOURCE) -> Path:
        file = self.folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    def function(self, handler: str | None, code: str = "code", **properties: Any) -> TemplateFunction:
        own = {"Handler": handler, "CodeUri": code, **properties}
        body = {"Resources": {"Order": {"Type": "AWS::Serverless::Function", "Properties": own}}}
        return Template(Document(self.folder / "template.yaml", body)).functions[0]

    def refused(self, function: TemplateFunction) -> str:
        with self.assertRaises(ConfigurationError) as caught:
            import_handler(function)
        return str(caught.exception).replace(str(self.folder), "FOLDER")

    def test_the_folder_of_the_code_is_on_the_path_as_in_lambda(self) -> None:
        self.write("code/shop_helpers.py", "answer = 42\n")
        file = self.write("code/shop_orders.py", f"import shop_helpers\n{SOURCE}")
        handler = import_handler(self.function("shop_orders.handler"))
        self.assertEqual(sys.modules["shop_orders"].__file__, str(file))
        self.assertIs(handler, sys.modules["shop_orders"].handler)
        self.assertEqual(sys.path[-1], str(self.folder / "code"))
        self.assertIs(import_handler(self.function("shop_orders.handler")), handler)
        self.assertEqual(sys.path.count(str(self.folder / "code")), 1)

    def test_modules_in_packages_by_dots_or_slashes(self) -> None:
        self.write("code/shop_package/sub/__init__.py")
        for name in ("shop_package.sub.handler", "shop_package/sub.handler"):
            self.assertEqual(import_handler(self.function(name))(7, None), 7)

    def test_a_module_that_is_loaded_by_another_name_is_that_module(self) -> None:
        self.write("shop_code/entry.py")
        sys.path.append(str(self.folder))
        loaded = import_module("shop_code.entry")
        self.assertIs(import_handler(self.function("entry.handler", "shop_code")), loaded.handler)
        self.assertNotIn("entry", sys.modules)

    def test_a_copy_stands_for_the_source(self) -> None:
        self.write("asset/shop_copied.py")
        source = self.write("source/shop_copied.py")
        sys.path.append(str(self.folder / "source"))
        import_handler(self.function("shop_copied.handler", "asset"))
        self.assertEqual(sys.modules["shop_copied"].__file__, str(source))

    def test_a_copy_that_differs_is_refused(self) -> None:
        self.write("asset/shop_changed.py", SOURCE + "\n")
        self.write("source/shop_changed.py")
        sys.path.append(str(self.folder / "source"))
        self.assertEqual(
            self.refused(self.function("shop_changed.handler", "asset")),
            "the module 'shop_changed' of Order of template.yaml is FOLDER/asset/shop_changed.py, and importing "
            "'shop_changed' gives FOLDER/source/shop_changed.py, which differs. Of several functions whose modules "
            "have one name, import them in the test from their folders, as in `from orders import shop_changed`; "
            "after a change run cdk synth or sam build again; or write handler = my_function in the test class",
        )

    def test_code_that_is_not_there_may_be_importable_all_the_same(self) -> None:
        self.write("source/shop_bundled.py")
        sys.path.append(str(self.folder / "source"))
        import_handler(self.function("shop_bundled.handler", "s3://bucket/code.zip"))
        import_handler(self.function("shop_bundled.handler", "build"))

    def test_what_cannot_be_imported_is_refused(self) -> None:
        self.write("code/shop_wrong.py", "import no_such_module\n")
        self.write("code/shop_failing.py", "import os\nos.environ['SHOP']\n")
        self.write("code/shop_right.py")
        where = "Order of template.yaml"
        remedy = "write handler = my_function in the test class"
        for function, expected in (
            (
                self.function("index.handler", Runtime="nodejs24.x"),
                f"{where} runs on nodejs24.x, and only Python can be run here",
            ),
            (self.function(None), f"{where} has no Handler that could be imported, None: {remedy}"),
            (self.function("handler"), f"{where} has no Handler that could be imported, 'handler': {remedy}"),
            (
                self.function("shop_missing.handler"),
                f"the module 'shop_missing' of {where} is not in FOLDER/code and sys.path: {remedy}",
            ),
            (
                self.function("shop_missing.handler", "s3://bucket/code.zip"),
                f"the module 'shop_missing' of {where} is not in sys.path: {remedy}",
            ),
            (
                self.function("shop_wrong.handler"),
                f"the module 'shop_wrong' of {where} cannot be imported: "
                "ModuleNotFoundError(\"No module named 'no_such_module'\")",
            ),
            (
                self.function("shop_failing.handler"),
                f"the module 'shop_failing' of {where} cannot be imported: KeyError('SHOP')",
            ),
            (
                self.function("shop_right.main"),
                f"the Handler of {where} is 'shop_right.main', and FOLDER/code/shop_right.py has none",
            ),
            (
                self.function("shop_right.number"),
                f"the Handler of {where} is 'shop_right.number', which is 7 and cannot be called",
            ),
        ):
            with self.subTest(expected):
                self.assertEqual(self.refused(function), expected)
