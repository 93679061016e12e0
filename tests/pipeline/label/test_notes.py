"""Notes of a labeller on several films, as few sentences as they have things to say."""

from worldprobe.pipeline.label.label import _folded


def test_the_same_of_several_films_is_one_sentence_with_the_sums():
    left = "boxes were left out, since nothing changes in them."
    notes = [*(f"films/{name}.mp4: {at} of {10 * at} {left}" for at, name in enumerate("abcd", start=1))]
    notes += ["films/a.mp4: the camera shakes.", "films/b.mp4: the camera shakes.", "Speeds are rough.", notes[0]]
    assert list(_folded(notes)) == [
        f"films/a.mp4, films/b.mp4, films/c.mp4 and 1 more: 10 of 100 {left}",
        "films/a.mp4, films/b.mp4: the camera shakes.",
        "Speeds are rough.",
    ]
    assert list(_folded([notes[1]])) == [notes[1]]
