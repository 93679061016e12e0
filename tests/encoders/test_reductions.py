"""Several blocks read as one: their names, and what becomes of their tokens."""

import numpy as np
import pytest

from worldprobe.encoders.load import parse_blocks
from worldprobe.encoders.reductions import blocks_within, reduced, tokens_at
from worldprobe.errors import ConfigError
from worldprobe.records import Reduction, Tap, blocks_name, breadth, in_order

LAST4 = Reduction("sum", (8, 9, 10, 11))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum:last4", [LAST4]),
        ("join:3+7", [Reduction("join", (3, 7))]),
        ("sum:-1+3", [Reduction("sum", (3, 11))]),
        ("join:last2,last,sum:last4,0", [0, 11, LAST4, Reduction("join", (10, 11))]),
        ("sum:last4,sum:8+9+10+11", [LAST4]),
        ("sum:all", [Reduction("sum", tuple(range(12)))]),
        (" all, sum:last12", [*range(12), Reduction("sum", tuple(range(12)))]),
    ],
)
def test_several_blocks_as_one_have_a_name(text, expected):
    assert parse_blocks(text, 12) == expected
    assert parse_blocks(",".join(map(str, expected)), 12) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sum:3,5,7", "'3' is one block alone; several stand between [+]"),
        ("sum:last1", "last1 is not 2 or more"),
        ("join:last13", "last13 is not 2 or more of this encoder's 12 blocks"),
        ("mean:last4", "by sum or join, not 'mean'"),
        ("sum:", "use last, all, indices"),
        ("sum:3+12", "blocks 0 to 11, not 12"),
        ("sum:3+3", "one block alone"),
        ("sum:lastx", "use last, all"),
    ],
)
def test_what_is_no_reduction_is_refused_in_a_line(text, said):
    with pytest.raises(ConfigError, match=said):
        parse_blocks(text, 12)


def test_a_tap_is_called_by_its_blocks():
    assert str(Tap("e", LAST4)) == "e/sum8+9+10+11.out"
    assert str(Tap("e", 5)) == "e/block5.out"
    assert blocks_name([3, 7]) == "block3+7"
    assert (breadth(5), breadth(LAST4), breadth(Reduction("join", (3, 7)))) == (1, 1, 2)
    assert in_order({Reduction("join", (0, 1)), 4, LAST4, 1}) == [1, 4, LAST4, Reduction("join", (0, 1))]


def tokens(blocks, *, width=8, seed=0):
    rng = np.random.default_rng(seed)
    scales = {block: 10.0**block for block in blocks}
    return {block: (rng.normal(3, 1, (2, 3, 4, width)) * scales[block]).astype(np.float16) for block in blocks}


def normed(values):
    values = values.astype(np.float64)
    centred = values - values.mean(axis=-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + 1e-5)


def test_every_block_says_as_much_in_a_sum_however_long_its_tokens_are():
    found = tokens([0, 1, 3])
    added = reduced(Reduction("sum", (0, 1, 3)), found)
    assert added.dtype == np.float16
    expected = normed(found[0]) + normed(found[1]) + normed(found[3])
    np.testing.assert_allclose(added.astype(np.float64), expected, atol=2e-3)
    apart = [np.corrcoef(added.ravel().astype(float), normed(found[one]).ravel())[0, 1] for one in (0, 1, 3)]
    assert min(apart) > 0.45  # 1 / sqrt(3), were there no chance in it


def test_a_join_sets_blocks_side_by_side_each_normed():
    found = tokens([1, 2])
    joined = reduced(Reduction("join", (1, 2)), found)
    assert joined.shape == (2, 3, 4, 16)
    np.testing.assert_allclose(joined[..., :8].astype(float), normed(found[1]), atol=2e-3)
    np.testing.assert_allclose(joined[..., 8:].astype(float), normed(found[2]), atol=2e-3)


def test_a_clip_is_reduced_as_it_is_in_a_batch():
    found = tokens([0, 1], width=96)
    for kind in ("sum", "join"):
        whole = reduced(Reduction(kind, (0, 1)), found)
        alone = reduced(Reduction(kind, (0, 1)), {block: values[:1] for block, values in found.items()})
        np.testing.assert_array_equal(whole[:1], alone)


def test_blocks_of_other_widths_are_joined_and_never_added():
    found = {0: np.zeros((1, 2, 4), np.float16), 1: np.ones((1, 2, 8), np.float16)}
    with pytest.raises(
        ConfigError, match=r"sum:0\+1 is of blocks whose tokens differ in shape .* They can be joined"
    ):
        reduced(Reduction("sum", (0, 1)), found)
    assert reduced(Reduction("join", (0, 1)), found).shape == (1, 2, 12)
    found[1] = np.ones((1, 1, 4), np.float16)
    with pytest.raises(ConfigError, match=r"differ in shape [^.]*\.$"):
        reduced(Reduction("join", (0, 1)), found)


def test_an_encoder_is_asked_for_the_blocks_that_are_needed():
    blocks = [2, Reduction("sum", (1, 2)), Reduction("join", (0, 1))]
    assert blocks_within(blocks) == [0, 1, 2]
    found = tokens([0, 1, 2])
    np.testing.assert_array_equal(tokens_at(2, found), found[2])
    np.testing.assert_array_equal(tokens_at(blocks[1], found), reduced(blocks[1], found))
