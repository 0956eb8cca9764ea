"""``python -m tests.docs`` writes the generated parts of the documents."""

from __future__ import annotations

import sys

from tests.docs import page_picture, picture, requirements


def main() -> None:
    picture.PICTURE.parent.mkdir(exist_ok=True)
    picture.PICTURE.write_text(picture.svg(picture.report()), encoding="utf-8")
    reason = page_picture.draw()
    if reason is not None:
        sys.stderr.write(f"{page_picture.PICTURE.name} stays as it is: {reason}\n")
    requirements.PAGE.write_text(requirements.updated(requirements.PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
