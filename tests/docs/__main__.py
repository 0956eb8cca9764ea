"""``python -m tests.docs`` writes the generated parts of the documents."""

from __future__ import annotations

from tests.docs import picture, requirements


def main() -> None:
    picture.PICTURE.parent.mkdir(exist_ok=True)
    picture.PICTURE.write_text(picture.svg(picture.report()), encoding="utf-8")
    requirements.PAGE.write_text(requirements.updated(requirements.PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
