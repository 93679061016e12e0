"""The attentive probe: what it reads that an average does not, and that nothing leaks between configurations."""

import numpy as np
import pytest
import torch
from sklearn.base import clone

from worldprobe.errors import ProbeError
from worldprobe.probes.attention import attend, forward, heads_for, initial, normalized
from worldprobe.probes.attentive import AttentiveProbe
from worldprobe.probes.linear.design import Design
from worldprobe.probes.linear.ridge import Ridge

FAST = {"learning_rates": (3e-3, 1e-2), "weight_decays": (0.01,), "epochs": 20, "batch": 64}


@pytest.fixture(scope="module")
def marked():
    """Tokens that say where they are; one of them is marked. The target is where, as x and y, and as an index."""
    rng = np.random.default_rng(0)
    n, width, side = 1650, 32, 4
    place = rng.integers(0, side * side, n)
    tokens = 0.3 * rng.normal(size=(n, side * side, width)) + rng.normal(size=(side * side, width))
    tokens[np.arange(n), place] += 2 * rng.normal(size=width)
    xy = np.stack([place % side, place // side], axis=1) / (side - 1)
    return tokens.astype(np.float16), xy, (place // 4)[:, None].astype(float), np.arange(n) // 5


def explained(truth, output):
    return 1 - ((truth - output) ** 2).sum() / ((truth - truth.mean(axis=0)) ** 2).sum()


def test_where_a_marked_token_is_can_be_read_by_attention_and_not_from_the_mean(marked):
    tokens, xy, _, unit = marked
    train, test = slice(0, 1500), slice(1500, None)
    pooled = tokens.astype(np.float32).mean(axis=1)
    linear = Ridge().fit(Design(pooled[train]), xy[train], strength=100.0, classes=0)
    assert explained(xy[test], linear.predict(pooled[test])) < 0.1
    probe = AttentiveProbe(**FAST).fit(tokens[train], xy[train], unit[train])
    assert explained(xy[test], probe.predict(tokens[test])) > 0.6
    assert probe.chosen.epoch > 0


def test_classes_come_as_log_probabilities(marked):
    tokens, _, row, unit = marked
    probe = AttentiveProbe(**FAST).fit(tokens[:1500], row[:1500], unit[:1500], classes=5)
    output = probe.predict(tokens[1500:])
    assert output.shape == (150, 5)
    np.testing.assert_allclose(np.exp(output).sum(axis=1), 1, atol=1e-4)
    assert (output.argmax(axis=1) == row[1500:, 0]).mean() > 0.7
    assert np.exp(output[:, 4]).max() < 1e-3


def test_configurations_do_not_touch_each_other(marked):
    tokens, xy, _, unit = marked
    alone = {**FAST, "learning_rates": (3e-3,), "epochs": 4}
    one = AttentiveProbe(**alone).fit(tokens[:200], xy[:200], unit[:200])
    # A rate of 0 learns nothing, one of 1e6 blows up: neither is chosen, neither moves the other.
    many = AttentiveProbe(**{**alone, "learning_rates": (0.0, 1e6, 3e-3)}).fit(tokens[:200], xy[:200], unit[:200])
    assert many.chosen.learning_rate == 3e-3
    np.testing.assert_allclose(many.predict(tokens[200:]), one.predict(tokens[200:]), atol=2e-3)


def test_the_choice_is_made_on_units_that_were_not_trained_on():
    """Tokens that name the unit and say nothing else: on rows of the same units they would seem to tell all."""
    rng = np.random.default_rng(1)
    unit = np.repeat(np.arange(30), 8)
    tokens = (rng.normal(size=(30, 1, 16))[unit] + 0.1 * rng.normal(size=(240, 4, 16))).astype(np.float32)
    target = rng.normal(size=(30, 1))[unit]
    probe = AttentiveProbe(**{**FAST, "epochs": 30}).fit(tokens, target, unit)
    assert probe.chosen.epoch < 30
    fresh = rng.normal(size=(30, 1))[unit]
    assert explained(fresh, probe.predict(tokens)) < 0.1
    loose = AttentiveProbe(**{**FAST, "epochs": 30}).fit(tokens, target, np.arange(240))
    assert loose.chosen.loss < 0.5 * probe.chosen.loss


def test_one_query_through_the_keys_weights_is_attention():
    torch.manual_seed(0)
    width, heads = 32, 4
    p = initial(width, 2, np.zeros(3), torch.Generator().manual_seed(0))
    p = {name: one + 0.3 * torch.randn_like(one) for name, one in p.items()}
    tokens = torch.randn(5, 7, width)
    x = normalized(tokens)
    for c in range(2):
        rows = x * p["norm1.scale"][c] + p["norm1.bias"][c]
        q = p["query"][c] @ p["query.weight"][c] + p["query.bias"][c]
        k, v = rows @ p["key.weight"][c], rows @ p["value.weight"][c] + p["value.bias"][c]
        q, k, v = (one.view(*one.shape[:-1], heads, -1).transpose(-3, -2) for one in (q.expand(5, 1, -1), k, v))
        found = torch.nn.functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(5, width)
        expected = found @ p["out.weight"][c] + p["out.bias"][c]
        torch.testing.assert_close(attend(p, x, heads)[c], expected, rtol=1e-4, atol=1e-4)
    assert forward(p, tokens, heads).shape == (2, 5, 3)


@pytest.mark.parametrize(("width", "heads"), [(1024, 16), (384, 16), (192, 12), (32, 2), (31, 1), (7, 1)])
def test_heads_divide_the_width(width, heads):
    assert heads_for(width) == heads


def test_the_same_seed_gives_the_same_probe(marked):
    tokens, xy, _, unit = marked
    short = {**FAST, "epochs": 2}
    first = AttentiveProbe(**short).fit(tokens[:100], xy[:100], unit[:100]).predict(tokens[100:120])
    torch.manual_seed(99)
    again = AttentiveProbe(**short).fit(tokens[:100], xy[:100], unit[:100]).predict(tokens[100:120])
    np.testing.assert_array_equal(first, again)


def test_bad_input_is_named(marked):
    tokens, xy, _, unit = marked
    broken = tokens[:20].copy()
    broken[3, 2, 1] = np.inf
    with pytest.raises(ProbeError, match="1 of 20 examples hold NaN or infinite"):
        AttentiveProbe().fit(broken, xy[:20], unit[:20])
    with pytest.raises(ProbeError, match="constant"):
        AttentiveProbe().fit(tokens[:20], np.ones((20, 1)), unit[:20])
    with pytest.raises(ProbeError, match="one group"):
        AttentiveProbe().fit(tokens[:20], xy[:20], np.zeros(20, dtype=int))
    with pytest.raises(ProbeError, match=r"tokens\.shape = "):
        AttentiveProbe().fit(tokens[:20, 0], xy[:20], unit[:20])


def test_it_is_cloned_with_its_parameters():
    """scikit-learn's checks feed tables [n, d], and this one reads tokens [n, t, d]: its parameters alone apply."""
    probe = AttentiveProbe(learning_rates=(1e-3,), weight_decays=(0.1, 0.2), epochs=3, seed=5)
    copy = clone(probe)
    assert copy is not probe
    assert copy.get_params() == probe.get_params()
    assert copy.configurations == ((1e-3, 0.1), (1e-3, 0.2))
