"""The page of all messages has every error that users can meet, as it is written."""

from recipes.errors import ERRORS, page

from worldprobe import errors

SOURCE = """
def one(path):
    raise errors.VideoError(f"{path} has {len(path)} frames: name " "another")

def two(problem):
    if problem:
        problem = StoreError(problem)
    raise ValueError("a mistake of our own")
"""


def test_messages_stand_by_file_and_line_with_what_is_filled_in(tmp_path):
    (tmp_path / "video").mkdir()
    (tmp_path / "video" / "read.py").write_text(SOURCE)
    assert page(tmp_path).splitlines() == [
        "# 2 messages",
        "",
        "## video/read.py",
        "",
        "- 3 VideoError: {path} has {len(path)} frames: name another",
        "- 7 StoreError: {problem}",
    ]


def test_every_class_of_errors_is_known_to_the_page():
    classes = {name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, Exception)}
    assert classes <= ERRORS
