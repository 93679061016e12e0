"""Label files mutated in their structure, in a process of their own.

Values are replaced by what no reader expects, entries are taken out, doubled and exchanged; the files stay JSON,
XML or lines. Whatever is then read has to be a sound table; what is not a LabelError ends the process, and the
input that did it stays in the folder.
"""

import copy
import json
import random
import resource
import signal
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import psutil

from worldprobe.errors import LabelError
from worldprobe.labels.files.coco import Coco
from worldprobe.labels.files.cvat import Cvat
from worldprobe.labels.files.label_studio import LabelStudio
from worldprobe.labels.files.mot import Mot
from worldprobe.labels.files.yolo_text import YoloText
from worldprobe.records import VideoRef

SECONDS = 20
MEMORY_BYTES = 2 << 30  # beside what the process holds once everything is imported
VALUES = [
    None, True, False, 0, -1, 1, 2, 12, 0.5, 1.5, -0.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), 2**31,
    2**53 + 1, 2**63, -(2**64), 10**40, "", " ", "x", "0", "-1", "1e3", "NaN", "inf", "1_0", "true", "\ud800", "\0",
    "a/b\\c", "film.mp4", "0001.jpg", "٣", "🙂", "[/x]", "x" * 5000, [], {}, [[]], [1, 2], [None] * 4, {"id": 1},
    {"size": [48, 64], "counts": "abc"}, {"size": [10**9, 10**9], "counts": [10**18]}, [[1, 2, 3, 4, 5, 6]],
]  # fmt: skip
# Digits as 10 ** 5000 has are more than Python reads.
RAW = ["9" * 5000, "[" * 3000 + "]" * 3000]


class Source:
    """A film of 12 frames of 64 x 48 px without pixels."""

    ref = VideoRef("a" * 64, "film.mp4", 64, 48, 12, 10.0)
    pts_seconds = np.arange(12) / 10
    shots = (0,)


def coco():
    """Files of every kind of entry that is read."""
    categories = [{"id": 1, "name": "c"}, {"id": "2", "name": "d"}]
    images = [{"id": n, "file_name": f"a/frame_{n:06d}.PNG", "width": 64, "height": 48} for n in range(12)]
    marks = {"occluded": True, "outside": False, "visibility": 0.5, "track_id": "b"}
    boxes = [
        {"id": n, "image_id": n, "category_id": 1, "bbox": [n, 2, 9, 9], "iscrowd": 0, "score": n / 3}
        | ({"track_id": 3} if n % 2 else {"attributes": marks})
        for n in range(12)
    ]
    yield {"images": images, "annotations": boxes, "categories": categories}
    triangle, packed = [[1, 1, 20, 1, 9, 30.5]], {"size": [48, 64], "counts": "5d0Wo2"}
    runs = {"size": [48, 64], "counts": [5, 20, 48 * 64 - 25]}
    masks = [
        {"id": str(n), "image_id": str(n), "category_id": "1", "segmentation": [triangle, runs, packed][n % 3]}
        for n in range(4)
    ]
    videos = [{"id": 1, "name": "film"}, {"id": 2, "name": "other"}]
    several = [{"id": n, "video_id": 1 + n // 6, "frame_id": n % 6, "timestamp": n / 20} for n in range(12)]
    yield {"images": several, "annotations": masks, "categories": categories, "videos": videos}


def label_studio():
    keys = [
        {"frame": f, "x": f, "y": 10, "width": 20, "height": 20, "rotation": 0, "enabled": f < 9, "time": f / 10}
        for f in (1, 5, 9)
    ]
    value = {"framesCount": 12, "duration": 1.2, "sequence": keys, "labels": ["c"]}
    region = {"id": "r", "type": "videorectangle", "value": value}
    task = {"id": 1, "data": {"video": "/data/1234abcd-film.mp4"}, "annotations": [{"result": [region, region]}]}
    yield [task]
    yield [task, {"id": 2, "data": {"video": "other.mp4"}, "annotations": []}]
    yield [{"video": "film.mp4", "box": [value | {"framesCount": 15}]}]


def cvat():
    boxes = "".join(
        f'<box frame="{n}" outside="{n // 11}" occluded="0" keyframe="1" xtl="{n}" ytl="2" xbr="{n + 9}" '
        'ybr="11.5" rotation="20"/>'
        for n in range(12)
    )
    size = "<original_size><width>64</width><height>48</height></original_size>"
    meta = f"<meta><task><id>1</id><source>film.mp4</source>{size}</task></meta>"
    shapes = '<polygon frame="1" points="1,1;9,1;9,9"/><ellipse frame="2" cx="9" cy="9" rx="3" ry="4"/>'
    mask = '<mask frame="3" rle="1" left="3" top="4" width="5" height="6"/>'
    tracks = f'<track id="0" label="c">{boxes}</track><track id="1" label="d">{shapes}{mask}</track>'
    yield f"<annotations><version>1.1</version>{meta}{tracks}</annotations>"
    inner = '<box label="c" xtl="1" ytl="1" xbr="9" ybr="9"><attribute name="track_id">4</attribute></box>'
    images = "".join(
        f'<image id="{n}" name="frame_{n:06d}" width="64" height="48">{inner}</image>' for n in range(12)
    )
    yield f"<annotations>{images}</annotations>"


def mot():
    yield "".join(f"{n},{n % 2},{n},4,10,12,1,{1 + n % 8},0.{n % 9}\n" for n in range(1, 13))
    yield "".join(f"{n} -1 {n} 4 10 12 {n - 5}.5 -1 -1 -1\n" for n in range(1, 13))
    yield "frame;id;x;y;w;h\n" + "".join(f"{n};1;{n};4;1e1;12\n" for n in range(12))


def yolo_text():
    yield "".join(f"{n % 2} 0.5 0.5 0.2 0.{n % 9 + 1} 0.75 3\n" for n in range(12))
    yield "".join(f"1 0.5 0.5 0.2 0.3 {n}\n" for n in range(12))
    yield "0 0.1 0.1 0.4 0.1 0.3 0.3 0.2 0.4\n" * 12


def places(tree, found=None):
    """Every container of a JSON tree with each of its keys."""
    found = [] if found is None else found
    for key in tree if isinstance(tree, dict) else range(len(tree)):
        found.append((tree, key))
        if isinstance(tree[key], dict | list):
            places(tree[key], found)
    return found


def change(holder, key, generator, others):
    """One change of a place in a tree."""
    match generator.randrange(6):
        case 0 | 1 | 2:
            holder[key] = generator.choice(VALUES)
        case 3:
            del holder[key]
        case 4:
            if isinstance(holder, list):
                holder.insert(key, holder[key])
            else:
                holder[generator.choice(["id", "image_id", "track_id", "x"])] = holder[key]
        case 5:
            other, where = generator.choice(others)
            holder[key] = json.loads(json.dumps(other[where]))


def mutated_json(trees, generator):
    tree = json.loads(json.dumps(generator.choice(trees)))
    for _ in range(generator.randint(1, 3)):
        found = places(tree)
        if found:
            # Near the root and in the lists of entries alike.
            holder, key = generator.choice(found[: 30 if generator.random() < 0.3 else None])
            try:
                change(holder, key, generator, found)
            except (KeyError, IndexError):
                continue
    text = json.dumps(tree)
    return text.replace("1", generator.choice(RAW), 1) if generator.random() < 0.01 else text


def mutated_xml(texts, generator):
    root = ElementTree.fromstring(generator.choice(texts))
    plain = [str(value).replace("\0", "").replace("\ud800", "") for value in VALUES]
    for _ in range(generator.randint(1, 3)):
        one = generator.choice(list(root.iter()))
        match generator.randrange(5):
            case 0 | 1 if one.attrib:
                one.set(generator.choice(list(one.attrib)), generator.choice(plain))
            case 2 if one.attrib:
                del one.attrib[generator.choice(list(one.attrib))]
            case 3:
                one.text = generator.choice(plain)
            case _:
                one.append(copy.deepcopy(generator.choice(list(root.iter("box")))))
                one.tag = generator.choice([one.tag, one.tag, "box", "mask", "track", "x"])
    text = ElementTree.tostring(root, encoding="unicode")
    return "<!DOCTYPE a [<!ENTITY b 'c'>]>" + text if generator.random() < 0.01 else text


def mutated_lines(texts, generator):
    lines = generator.choice(texts).splitlines()
    for _ in range(generator.randint(1, 3)):
        at = generator.randrange(len(lines))
        separator = next((one for one in ",; " if one in lines[at]), ",")
        fields = lines[at].split(separator)
        match generator.randrange(6):
            case 0 | 1 | 2:
                fields[generator.randrange(len(fields))] = str(generator.choice(VALUES)).replace("\ud800", "\x85")
            case 3:
                del fields[generator.randrange(len(fields))]
            case 4:
                fields.insert(generator.randrange(len(fields)), generator.choice(fields))
            case 5:
                lines.insert(at, lines[at])
        lines[at] = generator.choice([separator] * 9 + [",", "\t"]).join(fields)
    return "\n".join(lines)


KINDS = {
    "coco": (Coco, list(coco()), mutated_json),
    "labelstudio": (LabelStudio, list(label_studio()), mutated_json),
    "cvat": (Cvat, list(cvat()), mutated_xml),
    "mot": (Mot, list(mot()), mutated_lines),
    "yolotxt": (YoloText, list(yolo_text()), mutated_lines),
}


def written(kind, content, folder):
    """The file or folder of a content, and the labeller's argument."""
    if kind != "yolotxt":
        path = folder / f"mutated.{kind}"
        path.write_bytes(content.encode("utf-8", "surrogatepass"))
        return str(path)
    place = folder / "mutated-yolotxt"
    place.mkdir(exist_ok=True)
    lines = content.split("\n")
    for number in range(12):
        text = "\n".join(lines[number::12])
        (place / f"film_{number:03d}.txt").write_bytes(text.encode("utf-8", "surrogatepass"))
    return str(place)


def check(labels):
    """A table that later stages can take, and sentences that can be printed."""
    table = labels.table
    assert table["frame"].is_between(0, Source.ref.frames - 1).all()
    assert np.isfinite(table.select("x", "y", "w", "h", "confidence").to_numpy()).all()
    assert (table.select("w", "h").to_numpy() > 0).all()
    assert table["confidence"].is_between(0, 1).all()
    assert (table["object"] >= -1).all()
    tracked = table.filter(table["object"] >= 0)
    assert len(tracked.select("frame", "object").unique()) == len(tracked)
    for note in labels.notes:
        printable(note, 3000)


def printable(sentence, longest):
    assert sentence.encode(), "nothing said"
    assert len(sentence) < longest, sentence[:3000]
    assert "\n" not in sentence, sentence


def main(arguments):
    """Read so many mutated files of each kind, from this seed on, in this folder."""
    seed, count, folder = *map(int, arguments[:2]), Path(arguments[2])
    for kind, (labeller, sound, _) in KINDS.items():
        for content in sound:
            text = content if isinstance(content, str) else json.dumps(content)
            check(labeller(written(kind, text, folder)).label(Source()))
    held = psutil.Process().memory_info().vms
    resource.setrlimit(resource.RLIMIT_AS, (held + MEMORY_BYTES, held + MEMORY_BYTES))
    told = {}
    for kind, (labeller, sound, mutate) in KINDS.items():
        generator = random.Random(f"{kind} {seed}")
        refused = 0
        for number in range(count):
            argument = written(kind, mutate(sound, generator), folder)
            signal.alarm(SECONDS)
            try:
                check(labeller(argument).label(Source()))
            except LabelError as error:
                refused += 1
                printable(str(error), 1500 + 3 * len(argument))
            except BaseException:
                print(f"{kind} seed {seed} number {number}: {argument}", file=sys.stderr)
                raise
            signal.alarm(0)
        told[kind] = {"inputs": count, "refused": refused}
    print(json.dumps(told))
