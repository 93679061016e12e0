"""Modal without an account: the objects build, and each remote body runs here with the volumes as folders."""

import json
import pickle
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.builders.checks import some
from tests.builders.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, VideoError, WorldprobeError
from worldprobe.pipeline.run import run
from worldprobe.video.rendered.scenes import render_scenes

modal = pytest.importorskip("modal", reason="modal is not installed: make extras")
pytestmark = pytest.mark.filterwarnings("ignore:.*executing locally:UserWarning")


@dataclass(frozen=True)
class Halves:
    """A function of items that fails for odd ones."""

    def __call__(self, item):
        if item % 2:
            raise VideoError(f"{item} is odd")
        return item // 2


@dataclass(frozen=True)
class Stay(Halves):
    """The same, which reads nothing and leaves nothing."""

    store: str
    remote: str = "Encoding"

    def at(self, store):
        return self

    def films(self, item):
        return []

    def moved(self, item, films):
        return item

    def reads(self, item):
        return []

    def leaves(self, item, value):
        return {}


class Folder:
    """A volume as a folder: what the executor asks of one, and nothing else."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.sent = []

    def listdir(self, path, recursive=False):
        here = self.root / path.lstrip("/")
        if not here.exists():
            raise modal.exception.NotFoundError(path)
        return [SimpleNamespace(path=str(one.relative_to(self.root))) for one in here.iterdir()]

    def batch_upload(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        return None

    def put_file(self, here, there):
        self.sent.append(there)
        (self.root / there.lstrip("/")).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(here, self.root / there.lstrip("/"))

    def read_file_into_fileobj(self, key, file):
        file.write((self.root / key).read_bytes())

    def reload(self):
        pass

    def commit(self):
        pass


class Mapped:
    """A class of Modal's whose containers are this process: ``map`` calls the remote body through ``.local()``."""

    def __init__(self, made):
        self._made = made

    def __call__(self, *, function):
        instance = self._made(function=function)
        return SimpleNamespace(
            work=SimpleNamespace(map=lambda items, **options: [instance.work.local(item) for item in items])
        )


@pytest.fixture
def account(monkeypatch):
    monkeypatch.setenv("MODAL_TOKEN_ID", "ak-test")
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "as-test")


@pytest.fixture
def volumes(monkeypatch, tmp_path):
    from worldprobe.execute import modal_app

    films, store = Folder(tmp_path / "films"), Folder(tmp_path / "store")
    monkeypatch.setattr(modal_app, "films", films)
    monkeypatch.setattr(modal_app, "store", store)
    return films, store


def test_without_an_account_it_says_what_to_set_up(monkeypatch):
    from worldprobe.execute.modal import Modal

    monkeypatch.delenv("MODAL_TOKEN_ID", raising=False)
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "")
    with pytest.raises(ConfigError, match="modal token new"):
        Modal()


def test_what_is_asked_for_is_checked(account):
    from worldprobe.execute.modal import Modal

    with pytest.raises(ConfigError, match="use one of T4"):
        Modal(gpu="GTX")
    with pytest.raises(ConfigError, match="no GPU '4'"):
        Modal("4")
    assert (Modal().gpu, Modal("H100").gpu, Modal(gpu="L4").gpu) == ("A10G", "H100", "L4")


def test_money_is_reckoned_by_the_price_that_was_given_or_by_a_list_that_says_how_old_it_is(account):
    from worldprobe.execute.modal import Modal

    listed, given, unknown = Modal(), Modal(price=2.0), Modal("H200")
    for one in (listed, given, unknown):
        one.seconds = 1800.0
    assert listed.spent() == pytest.approx(0.55)
    assert listed.spent() == 0.0
    assert given.spent() == pytest.approx(1.0)
    assert unknown.spent() is None
    assert "check modal.com/pricing" in listed.terms["price_from"]
    assert (given.terms["price_from"], given.terms["dollars_an_hour"]) == ("--price", 2.0)
    assert "give --price" in unknown.terms["price_from"]


def test_the_image_has_the_compiler_without_which_a_gpu_has_no_kernel(monkeypatch):
    from worldprobe.execute import modal_app

    installed = []
    monkeypatch.setattr(modal.Image, "apt_install", lambda image, *packages: installed.extend(packages) or image)
    modal_app.image()
    assert {"gcc", "libc6-dev"} <= set(installed)


def test_the_image_has_the_versions_that_run_here():
    from worldprobe.execute import modal_app

    pinned = dict(line.split("==") for line in modal_app.pinned())
    constraints = (Path(__file__).resolve().parents[2] / "constraints.txt").read_text().splitlines()
    known = dict(line.lower().replace("_", "-").split("==") for line in constraints if "==" in line)
    assert {"torch", "transformers", "numpy", "zarr", "av", "scikit-learn"} <= set(pinned)
    assert {name: version for name, version in pinned.items() if known.get(name, version) != version} == {}
    assert modal_app.GPU == "A10G"
    assert all(isinstance(getattr(modal_app, name), modal.Cls) for name in ("Encoding", "Training"))


@pytest.mark.parametrize("name", ["Encoding", "Training"])
def test_each_remote_body_runs(name, volumes):
    from worldprobe.execute import modal_app

    made = getattr(modal_app, name)(function=pickle.dumps(Halves()))
    value, error, seconds = made.work.local(4)
    assert (value, error) == (2, None)
    assert seconds >= 0
    _, error, _ = made.work.local(3)
    assert isinstance(error, VideoError)


def test_films_go_up_once_and_clips_come_home_the_same(account, volumes, tmp_path, monkeypatch):
    from worldprobe.execute.modal import Cloud

    paths = render_scenes(6, 2, tmp_path / "scenes")
    values = {"videos": ["x"], "encoder": "pixels", "labeller": "truth", "frames": 8, "tasks": ["xy"]}
    asked = make_experiment({**values, "features": ["z"], "controls": ["majority"], "split": "random"})
    assert run(asked, paths, tmp_path / "here") == []
    films, store = volumes
    cloud = Cloud(films, store, str(films.root), str(store.root))
    executor = sending(monkeypatch, cloud)
    for number in range(2):
        assert run(asked, paths, tmp_path / f"there{number}", executor=executor) == []
        assert tree(tmp_path / f"there{number}" / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
        assert findings(tmp_path / f"there{number}") == findings(tmp_path / "here")
    assert len(films.sent) == 6
    facts = json.loads((tmp_path / "there0" / "provenance.json").read_text())
    assert (facts["executor"]["executor"], facts["executor"]["gpu"]) == ("modal", "A10G")
    assert facts["workers"][0]["versions"] == facts["versions"]
    assert facts["price"] >= 0


def sending(monkeypatch, cloud):
    """An executor whose containers are this process."""
    from worldprobe.execute import modal_app
    from worldprobe.execute.modal import Modal

    def through(self, function, items):
        return self.through(cloud, Mapped(getattr(modal_app, function.remote)), function, items)

    monkeypatch.setattr(Modal, "map", through)
    return Modal()


def decoding(paths, **more):
    values = {"videos": ["x"], "encoder": "pixels", "labeller": "truth", "frames": 8, "tasks": ["xy"]}
    # This process is the container: its CPU may have no products in bf16, and is then twenty times slower.
    values["precision"] = "fp32"
    table = {"steps": 6, "size": 32, "controls": ["mean-image", "bicubic", "shuffled"], **more}
    return make_experiment({**values, "features": ["z"], "controls": ["majority"], "evidence": [], "decode": table})


def trained(run):
    """Every decoder's files, but for those that tell of time."""
    found = {}
    for file in sorted((run / "decoders").glob("*/*")):
        if file.parent.name != "pictures":
            found[f"{file.parent.name}/{file.name}"] = file.read_bytes()
    return found


def test_decoders_are_trained_there_and_come_home_to_be_scored(account, volumes, tmp_path, monkeypatch):
    from worldprobe.decoders.trained import load
    from worldprobe.execute.modal import Cloud
    from worldprobe.pipeline.decode import training as decode_module

    paths = render_scenes(10, 2, tmp_path / "scenes")
    films, store = volumes
    cloud = Cloud(films, store, str(films.root), str(store.root))
    executor = sending(monkeypatch, cloud)
    out = tmp_path / "there"
    here = []
    ours = decode_module.Workshop.train

    def noted(self, decoder, name, *arguments, **named):
        here.append((name, str(self.out)))
        return ours(self, decoder, name, *arguments, **named)

    monkeypatch.setattr(decode_module.Workshop, "train", noted)
    assert run(decoding(paths, ladder=True), paths, out, executor=executor) == []
    results = [json.loads(line) for line in (out / "results.jsonl").read_text().splitlines()]
    assert {"none", "shuffled-embedding", "mean-image"} <= {
        r["baseline"] for r in results if r["kind"] == "decoding"
    }
    assert {r["protocol"] for r in results if r["kind"] == "decoding"} >= {"sound", "ladder-1", "ladder-3"}
    costs = {r["stage"]: r for r in results if r["kind"] == "cost"}
    assert {"train cnn", "train cnn-shuffled", "train ladder-original"} <= set(costs)
    assert costs["train cnn"]["device"] == "modal"
    assert costs["train cnn"]["price"] >= 0
    assert load(out / "decoders" / "cnn").facts["recipe"]["precision"] == "fp32"
    there = {name for name, folder in here if folder.startswith(str(store.root))}
    assert there == {name for name, folder in here if folder == str(out)}  # asked for here too, and found trained
    assert sorted(store.root.glob("embeddings.zarr/decoders/*/decoders/cnn/model.safetensors"))
    facts = json.loads((out / "provenance.json").read_text())
    assert set(facts["decoders"]) >= {"cnn", "cnn-shuffled"}

    kept = trained(out)
    monkeypatch.setattr("worldprobe.decoders.training.train", None)  # whoever trains again falls over it
    monkeypatch.setattr("worldprobe.pipeline.decode.workers.TrainDecoders", None)  # and whoever asks for it
    assert run(decoding(paths, ladder=True), paths, out, executor=executor) == []
    assert trained(out) == kept


def test_gpus_there_train_decoders_in_bf16_unless_asked_otherwise(account, tmp_path):
    from worldprobe.config import Decode
    from worldprobe.execute.modal import Modal
    from worldprobe.pipeline.decode.training import DecodingPlan
    from worldprobe.pipeline.decode.workers import elsewhere

    plans = {wish: DecodingPlan(encoder="pixels", decode=Decode(), precision=wish) for wish in ("auto", "fp32")}
    there = {wish: elsewhere(plan, Modal()).precision for wish, plan in plans.items()}
    assert there == {"auto": "bf16", "fp32": "fp32"}
    assert elsewhere(plans["auto"], None).precision == "auto"
    trained_here = replace(plans["auto"], weights=tmp_path)
    assert elsewhere(trained_here, Modal()).precision == "auto"


def test_tokens_that_were_made_here_go_up_before_training(account, volumes, tmp_path, monkeypatch):
    from worldprobe.execute.modal import Cloud

    paths = render_scenes(10, 2, tmp_path / "scenes")
    films, store = volumes
    asked = decoding(paths, controls=["mean-image"])
    assert run(asked.model_copy(update={"decode": None}), paths, tmp_path / "run") == []
    executor = sending(monkeypatch, Cloud(films, store, str(films.root), str(store.root)))
    assert run(asked, paths, tmp_path / "run", executor=executor) == []
    here, there = (tree(folder / "embeddings.zarr") for folder in (tmp_path / "run", store.root))
    assert {key: value for key, value in there.items() if not key.startswith("decoders/")} == here
    sent = len(store.sent)
    assert run(decoding(paths, controls=["mean-image"], steps=7), paths, tmp_path / "run", executor=executor) == []
    assert len(store.sent) == sent


def test_a_store_that_is_no_folder_is_refused(account, volumes):
    from worldprobe.execute.modal import Cloud, Modal
    from worldprobe.pipeline.encode.workers import EncodeParts

    films, store = volumes
    work = EncodeParts("pixels", "r", "cpu", "fp32", "s3://bucket/store", (0,), 8, "native", "none")
    with pytest.raises(ConfigError, match="use --store FOLDER"):
        list(Modal().through(Cloud(films, store, "", ""), None, work, []))


def test_the_original_experiment_is_made_there_as_it_is_here(account, volumes, tmp_path, monkeypatch):
    from worldprobe.execute.modal import Cloud

    paths = render_scenes(6, 5, tmp_path / "scenes")
    values = {"videos": ["made"], "protocol": "original", "labeller": "truth", "classes": "own"}
    values["precision"] = "fp32"  # a GPU's would be another
    asked = make_experiment({**values, "tasks": ["xy"], "controls": ["gaussian", "pixels", "majority"]})
    assert run(asked, paths, tmp_path / "here") == []
    films, store = volumes
    executor = sending(monkeypatch, Cloud(films, store, str(films.root), str(store.root)))
    assert run(asked, paths, tmp_path / "there", executor=executor) == []
    assert findings(tmp_path / "there") == findings(tmp_path / "here")
    assert tree(tmp_path / "there" / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
    lines = [json.loads(line) for line in (tmp_path / "there" / "results.jsonl").read_text().splitlines()]
    costs = [line for line in lines if line["kind"] == "cost" and line["stage"].startswith("encode")]
    assert {cost["device"] for cost in costs} == {"modal"}
    assert all(cost["price"] is not None for cost in some(costs))


def test_half_precision_is_for_the_gpus_there_whatever_this_machine_has():
    from worldprobe.encoders.known import ELSEWHERE
    from worldprobe.encoders.load import load_encoder

    described = load_encoder("squashed:vjepa2-tiny", device=ELSEWHERE, precision="fp16")
    assert described.precision == "fp16"
    assert described.revision != load_encoder("squashed:vjepa2-tiny", device="cpu").revision


def test_the_one_command_says_what_to_set_up_before_it_fetches_anything(monkeypatch):
    from worldprobe.cli import app

    monkeypatch.delenv("MODAL_TOKEN_ID", raising=False)
    monkeypatch.setenv("MODAL_TOKEN_SECRET", "")
    monkeypatch.setattr("socket.socket.connect", None)  # whoever asks a host falls over it
    original = Path(__file__).resolve().parents[2] / "examples" / "original.toml"
    with pytest.raises(ConfigError, match="modal token new"):
        app(["run", str(original), "--executor", "modal"], standalone_mode=False)


def test_what_a_clip_that_failed_did_not_leave_is_no_error_at_home(volumes, tmp_path):
    from worldprobe.execute.modal import Cloud

    films, store = volumes
    (store.root / "embeddings.zarr").mkdir(parents=True)
    (store.root / "embeddings.zarr" / "c.0").write_bytes(b"made")
    home = tmp_path / "home"
    Cloud(films, store, "", "").fetch({"c.1": home / "c.1", "c.0": home / "c.0"})
    assert {one.name: one.read_bytes() for one in home.iterdir()} == {"c.0": b"made"}


def test_a_container_that_is_lost_costs_its_item_alone(account, volumes, tmp_path):
    from worldprobe.execute.modal import Cloud, Modal

    films, store = volumes
    answers = [modal.exception.FunctionTimeoutError("3600 s"), (2, None, 1.0)]

    def remote(function):
        return SimpleNamespace(work=SimpleNamespace(map=lambda items, **options: answers))

    found = list(Modal().through(Cloud(films, store, "", ""), remote, Stay(str(tmp_path)), [0, 4]))
    assert [(one.item, one.value) for one in found] == [(0, None), (4, 2)]
    with pytest.raises(WorldprobeError, match=r"a container was lost.*3600 s"):
        found[0].get()


@pytest.mark.parametrize(
    ("raised", "says"),
    [
        (modal.exception.AuthError("token revoked"), "does not take the token.*token revoked.*modal token new"),
        (modal.exception.ConnectionError("no route"), "Modal failed: no route.*kept"),
    ],
)
def test_what_goes_wrong_with_modal_itself_is_one_sentence(raised, says, account, tmp_path, monkeypatch):
    from worldprobe.execute import modal_app
    from worldprobe.execute.modal import Modal

    def run():
        raise raised

    monkeypatch.setattr(modal_app, "app", SimpleNamespace(run=run))
    with pytest.raises(WorldprobeError, match=says):
        list(Modal().map(Stay(str(tmp_path)), [1]))
