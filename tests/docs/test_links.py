"""Links between documents lead somewhere, every page can be reached, and no command is shown that cannot work."""

from __future__ import annotations

import importlib.util
import re
import unittest
from pathlib import Path

from tests.docs.pages import BLOCK, DOCUMENTS, GUIDE, README, ROOT, blocks

LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TOPS = (ROOT, ROOT / "durabletest")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    titles = HEADING.findall(BLOCK.sub("", text))
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def links(path: Path) -> list[str]:
    """The targets of a page's links, those in code left out."""
    text = BLOCK.sub("", path.read_text(encoding="utf-8"))
    return LINK.findall(re.sub(r"`[^`\n]+`", "", text))


class LinkTests(unittest.TestCase):
    def test_links_lead_to_files_and_headings_that_exist(self) -> None:
        for path in DOCUMENTS:
            for link in links(path):
                if re.match(r"https?:", link):
                    continue
                with self.subTest(path.name, link=link):
                    file, _, anchor = link.partition("#")
                    target = (path.parent / file).resolve() if file else path
                    self.assertTrue(target.exists(), f"{target} does not exist")
                    if anchor:
                        self.assertIn(anchor, anchors(target.read_text(encoding="utf-8")))

    def test_every_page_of_the_guide_can_be_reached_from_the_readme(self) -> None:
        reached, todo = set(), [README]
        while todo:
            path = todo.pop()
            if path not in reached:
                reached.add(path)
                targets = ((path.parent / link.partition("#")[0]).resolve() for link in links(path) if ".md" in link)
                todo.extend(target for target in targets if target in DOCUMENTS)
        self.assertEqual({path.name for path in DOCUMENTS} - {path.name for path in reached}, set())

    def test_the_index_of_the_guide_lists_every_page(self) -> None:
        index = GUIDE / "README.md"
        pages = {path.name for path in GUIDE.glob("*.md")} - {index.name}
        self.assertEqual({link for link in links(index) if "/" not in link}, pages)


class NameTests(unittest.TestCase):
    """The pages about the inside of the package name modules and methods that exist."""

    PAGES = (ROOT / "CONTRIBUTING.md", GUIDE / "how-it-works.md")

    def names(self, pattern: str) -> set[str]:
        found = {name for page in self.PAGES for name in re.findall(pattern, page.read_text(encoding="utf-8"))}
        self.assertGreater(len(found), 10)
        return found

    def test_modules(self) -> None:
        files = {str(file.relative_to(top)) for top in TOPS for file in top.rglob("*.py")}
        self.assertEqual(self.names(r"`([\w/]+\.py)`") - files, set())

    def test_methods_by_the_class_that_has_them(self) -> None:
        sources = [file.read_text(encoding="utf-8") for file in (ROOT / "durabletest").rglob("*.py")]
        for name in self.names(r"`([A-Z]\w+\.[a-z]\w+)`"):
            owner, _, method = name.partition(".")
            with self.subTest(name):
                homes = [text for text in sources if re.search(rf"^class {owner}\b", text, re.MULTILINE)]
                self.assertTrue(any(f"    def {method}(" in text for text in homes))


class CommandTests(unittest.TestCase):
    def test_nothing_is_installed_from_an_index_that_does_not_have_it(self) -> None:
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            self.assertNotRegex(text, r"""pip install[^`\n]* ['"]?durabletest\b""", path.name)

    def test_modules_and_environments_of_commands_exist(self) -> None:
        text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS)
        modules = set(re.findall(r"python -m ((?:tests|durabletest)[\w.]*)", text))
        self.assertGreater(len(modules), 4)
        self.assertEqual({name for name in modules if importlib.util.find_spec(name) is None}, set())
        matrix = re.compile(r"py3(11|12|13)-sdk(20|21|3)")
        tox = (ROOT / "tox.ini").read_text(encoding="utf-8")
        for name in re.findall(r"tox -e ([\w-]+)", text):
            self.assertTrue(matrix.fullmatch(name) or f"[testenv:{name}]" in tox, name)

    def test_folders_and_files_that_are_named_for_contributors_exist(self) -> None:
        text = BLOCK.sub("", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"))
        paths = set(re.findall(r"`((?:[\w-]+/)+[\w.-]*)`", text))
        self.assertGreater(len(paths), 12)
        self.assertEqual({path for path in paths if not any((top / path).exists() for top in TOPS)}, set())

    def test_the_readme_is_short_enough_to_be_read(self) -> None:
        self.assertLessEqual(len(README.read_text(encoding="utf-8").splitlines()), 200)

    def test_the_commands_of_the_readme_stand_behind_their_marks(self) -> None:
        text = README.read_text(encoding="utf-8")
        marked = re.findall(r"<!-- command: (\w+) -->\n```sh\n(python3 -m venv .+)\n```$", text, re.MULTILINE)
        self.assertEqual([name for name, _ in marked], ["examples", "tests"])

    def test_every_block_names_its_language(self) -> None:
        for path in DOCUMENTS:
            text = path.read_text(encoding="utf-8")
            self.assertEqual(len(re.findall(r"^```", text, re.MULTILINE)), 2 * len(blocks(text)), path.name)
