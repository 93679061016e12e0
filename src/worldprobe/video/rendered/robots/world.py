"""The world about the arm: a table, objects, lights, clutter, as one compiled model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.rendered import sprites
from worldprobe.video.rendered.robots.arm import PREFIX, Arm, arm_spec, find_arm
from worldprobe.video.rendered.robots.plan import SIDE, ClipPlan, Thing

Floats = NDArray[np.float64]
SUPERSAMPLED = 2  # pictures are drawn larger by this, and averaged: smooth edges, without slow multisampling
STEP_SECONDS = 1 / 480
SUBJECT_GROUP, CAMERA = 4, "film"
_TEXTURE = 64
_WORLD = """
<mujoco>
  <option timestep="{step}" integrator="implicitfast" cone="elliptic" impratio="10"/>
  <visual>
    <quality offsamples="0" shadowsize="0"/><global offwidth="{side}" offheight="{side}"/>
    <headlight ambient="{ambient}" diffuse="0 0 0" specular="0 0 0"/><map znear=".02" zfar="20"/>
  </visual>
  <statistic extent="1" center=".4 0 .1"/>
  <asset>
    <texture name="sky" type="skybox" builtin="flat" rgb1="{backdrop}" width="8" height="8"/>
    {textures}
  </asset>
  <worldbody>
    <light directional="true" dir="{light}" diffuse="{diffuse}" specular=".1 .1 .1" castshadow="false"/>
    <camera name="film" fovy="{fovy}"/>
    <geom name="table" type="box" size=".55 .6 .03" pos=".25 0 -.03" material="table" condim="4"/>
    {bodies}
  </worldbody>
</mujoco>
"""


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """A compiled world: MuJoCo's ``model`` and ``data``, the ``arm`` in it, the objects' bodies (the subject's
    first) and the ``camera``'s number."""

    model: Any
    data: Any
    arm: Arm
    things: tuple[int, ...]
    camera: int


def build_world(mujoco: Any, plan: ClipPlan, arm_model: Path | None = None) -> World:
    """Compile the world of a plan. Raises VideoError for an arm that does not load, or has no gripper."""
    looks = plan.looks
    named = ["table", *(f"thing.{number}" for number in range(len(plan.things)))]
    world = mujoco.MjSpec.from_string(
        _WORLD.format(
            step=STEP_SECONDS, side=SIDE * SUPERSAMPLED, fovy=plan.view.fovy,
            ambient=_numbers([looks.ambient] * 3), diffuse=_numbers([looks.diffuse] * 3),
            backdrop=_numbers(np.clip(looks.backdrop, 0, 1)), light=_numbers(looks.light),
            textures="\n".join(map(_texture_xml, named)),
            bodies="\n".join([
                *(_thing_xml(number, thing) for number, thing in enumerate(plan.things)),
                *(_clutter_xml(*one) for one in looks.clutter),
            ]),
        )
    )  # fmt: skip
    colours = {
        name: _numbers([*np.clip(colour, 0, 1), 1.0])
        for name, colour in (("arm", looks.arm), ("joints", looks.joints), ("fingers", looks.fingers))
    }
    called = str(arm_model or "the arm")
    try:
        world.attach(arm_spec(mujoco, arm_model, colours), prefix=PREFIX, frame=world.worldbody.add_frame())
        model = world.compile()
    except ValueError as error:
        raise VideoError(f"{called} does not stand in a world with objects: {error}") from error
    _paint(mujoco, model, plan)
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    return World(
        model, data, find_arm(mujoco, model, data, called),
        tuple(model.body(f"thing.{number}").id for number in range(len(plan.things))), model.camera(CAMERA).id,
    )  # fmt: skip


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.6g}" for value in values)


def _texture_xml(name: str) -> str:
    # A cube's six sides, so that no stripes run down the sides of an object; noise is painted into it later.
    return (
        f'<texture name="{name}" type="cube" builtin="flat" width="{_TEXTURE}" height="{6 * _TEXTURE}"/>'
        f'<material name="{name}" texture="{name}" specular=".2" shininess=".2"/>'
    )


def _thing_xml(number: int, thing: Thing) -> str:
    name, (along, across, up) = f"thing.{number}", thing.half
    sizes = {
        "box": [f'type="box" size="{along} {across} {up}"'],
        "sphere": [f'type="sphere" size="{across}"'],
        "cylinder": [f'type="cylinder" size="{across} {up}"'],
        "capsule": [f'type="capsule" size="{across} {along - across}" euler="0 90 0"'],
        "cross": [
            f'type="box" size="{along} {0.36 * across} {up}"',
            f'type="box" size="{0.36 * along} {across} {up}"',
        ],
    }[thing.shape]
    group = SUBJECT_GROUP if number == 0 else 0
    geoms = "".join(
        f'<geom {size} material="{name}" mass="{thing.mass / len(sizes)}" group="{group}" condim="6" '
        f'friction="{thing.friction} .01 .003"/>'
        for size in sizes
    )
    height = up if thing.shape != "capsule" else across
    return (
        f'<body name="{name}" pos="{thing.xy[0]} {thing.xy[1]} {height + 0.001}" '
        f'euler="0 0 {np.rad2deg(thing.yaw)}"><joint type="free" damping=".001"/>{geoms}</body>'
    )


def _clutter_xml(place: Floats, half: Floats, colour: Floats) -> str:
    return (
        f'<geom type="box" pos="{place[0]} {place[1]} {half[2]}" size="{_numbers(half)}" contype="0" '
        f'conaffinity="0" rgba="{_numbers(colour)} 1"/>'
    )


def _paint(mujoco: Any, model: Any, plan: ClipPlan) -> None:
    """Fill the textures with smooth noise about their colours."""
    looks = plan.looks
    generator = np.random.default_rng(looks.seed)
    painted = [(looks.table, looks.table_roughness), *((one.colour, one.roughness) for one in plan.things)]
    named = ["table", *(f"thing.{number}" for number in range(len(plan.things)))]
    for name, (colour, roughness) in zip(named, painted, strict=True):
        tile = sprites.noise_tile(generator, roughness=1.2)
        sides = np.concatenate([tile[k * 32 : k * 32 + _TEXTURE, :_TEXTURE] for k in range(6)])
        values = np.clip((colour + roughness * sides[..., None]) * 255 + 0.5, 0, 255).astype(np.uint8)
        number = mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_TEXTURE, name)
        start = int(model.tex_adr[number])
        model.tex_data[start : start + values.size] = values.reshape(-1)
