"""Modal without an account: the objects build, and each remote body runs here with the volumes as folders."""

import pickle
import shutil
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from tests.killing import findings, tree

from worldprobe.config import make_experiment
from worldprobe.errors import ConfigError, VideoError
from worldprobe.pipeline.run import run
from worldprobe.video.scenes import render_scenes

modal = pytest.importorskip("modal", reason="modal is not installed: make extras")
pytestmark = pytest.mark.filterwarnings("ignore:.*executing locally:UserWarning")


@dataclass(frozen=True)
class Halves:
    """A function of items that fails for odd ones."""

    def __call__(self, item):
        if item % 2:
            raise VideoError(f"{item} is odd")
        return item // 2


class Folder:
    """A volume as a folder: what the executor asks of one, and nothing else."""

    def __init__(self, root):
        self.root = Path(root)
        self.root.mkdir(parents=True, exist_ok=True)
        self.sent = []

    def listdir(self, path):
        return [SimpleNamespace(path=one.name) for one in self.root.iterdir()]

    def batch_upload(self):
        return self

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        return None

    def put_file(self, here, there):
        self.sent.append(there)
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
    with pytest.raises(ConfigError, match="takes no argument"):
        Modal("4")
    assert Modal().gpu == "A10G"


def test_the_image_has_the_versions_that_run_here():
    from worldprobe.execute import modal_app

    pinned = dict(line.split("==") for line in modal_app.pinned())
    constraints = (Path(__file__).resolve().parents[2] / "constraints.txt").read_text().splitlines()
    known = dict(line.lower().replace("_", "-").split("==") for line in constraints if "==" in line)
    assert {"torch", "transformers", "numpy", "zarr", "av", "scikit-learn"} <= set(pinned)
    assert {name: version for name, version in pinned.items() if known.get(name, version) != version} == {}
    assert modal_app.GPU == "A10G"
    assert set(modal_app.app.registered_classes) == {"Encoding", "Training"}


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
    from worldprobe.execute import modal_app
    from worldprobe.execute.modal import Cloud, Modal

    paths = render_scenes(6, 2, tmp_path / "scenes")
    values = {"videos": ["x"], "encoder": "pixels", "labeller": "truth", "frames": 8, "tasks": ["xy"]}
    asked = make_experiment({**values, "features": ["z"], "controls": ["majority"], "split": "random"})
    assert run(asked, paths, tmp_path / "here") == []
    films, store = volumes
    cloud = Cloud(films, store, str(films.root), str(store.root))
    executor = Modal()
    monkeypatch.setattr(
        Modal, "map", lambda self, function, items: self.through(cloud, Mapped(modal_app.Encoding), function, items)
    )
    for number in range(2):
        assert run(asked, paths, tmp_path / f"there{number}", executor=executor) == []
        assert tree(tmp_path / f"there{number}" / "embeddings.zarr") == tree(tmp_path / "here" / "embeddings.zarr")
        assert findings(tmp_path / f"there{number}") == findings(tmp_path / "here")
    assert len(films.sent) == 6
    executor.seconds = 10.0
    assert executor.spent() == pytest.approx(0.00306)
    assert executor.spent() == 0.0
