"""Pictures of a world, and which of their pixels show the subject: one GL context a process."""

from __future__ import annotations

import atexit
import ctypes.util
import os
import sys
from functools import cache
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from worldprobe.errors import VideoError
from worldprobe.video.rendered.robots.camera import CameraPath
from worldprobe.video.rendered.robots.plan import SIDE
from worldprobe.video.rendered.robots.world import SUBJECT_GROUP, SUPERSAMPLED, World

_LARGE = SIDE * SUPERSAMPLED
_MOST_GEOMS = 1000
_NO_GL = (
    "robots: are drawn by OpenGL, and there is no library of it that needs no screen ({why}). Install OSMesa "
    "(Debian and Ubuntu: apt-get install libosmesa6), or set MUJOCO_GL=egl where a graphics driver is."
)


@cache
def mujoco_module() -> Any:
    """Import MuJoCo, with a way to draw that needs no screen.

    Raises:
        VideoError: it is not installed, or finds no GL library; says what to install.
    """
    if sys.platform.startswith("linux"):
        os.environ.setdefault("MUJOCO_GL", "osmesa" if ctypes.util.find_library("OSMesa") else "egl")
    try:
        import mujoco
    except ImportError as error:
        if error.name == "mujoco":
            raise VideoError(
                "robots: need MuJoCo, which is not installed: pip install 'worldprobe[robots]' (110 MB)"
            ) from error
        raise VideoError(_NO_GL.format(why=_first_line(error))) from error
    except (AttributeError, OSError, RuntimeError) as error:  # as a GL library that is not there is met
        raise VideoError(_NO_GL.format(why=_first_line(error))) from error
    return mujoco


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


@cache
def gl_context() -> None:
    """Open this process's GL context. Raises VideoError where there is none to be had."""
    mujoco = mujoco_module()
    try:
        # By its own name: whoever imported MuJoCo before may have chosen another.
        kind = os.environ.get("MUJOCO_GL", "")
        known = import_module(f"mujoco.{kind}") if kind in ("osmesa", "egl") else mujoco
        context = known.GLContext(_LARGE, _LARGE)
        context.make_current()
        # Some windows' contexts open without an error and are none.
        mujoco.MjrContext(mujoco.MjModel.from_xml_string("<mujoco/>"), mujoco.mjtFontScale.mjFONTSCALE_50).free()
    except Exception as error:  # GL's wrappers raise errors of their own classes
        raise VideoError(_NO_GL.format(why=_first_line(error))) from error
    atexit.register(context.free)


class Painter:
    """Draws one world; ``close`` it."""

    def __init__(self, mujoco: Any, world: World) -> None:
        gl_context()
        self._mujoco, self._world = mujoco, world
        self._scene = mujoco.MjvScene(world.model, maxgeom=_MOST_GEOMS)
        self._context = mujoco.MjrContext(world.model, mujoco.mjtFontScale.mjFONTSCALE_50)
        mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        self._rect = mujoco.MjrRect(0, 0, _LARGE, _LARGE)
        self._camera = mujoco.MjvCamera()
        self._camera.type, self._camera.fixedcamid = mujoco.mjtCamera.mjCAMERA_FIXED, world.camera
        self._all, self._alone = mujoco.MjvOption(), mujoco.MjvOption()
        self._all.geomgroup[:] = [1, 1, 1, 0, 1, 0]  # as MuJoCo itself has it: 3 is for shapes that only collide
        self._alone.geomgroup[:] = [int(group == SUBJECT_GROUP) for group in range(6)]
        for option in (self._all, self._alone):
            option.sitegroup[:] = 0
        self._subject = [g for g in range(world.model.ngeom) if world.model.geom_bodyid[g] == world.things[0]]

    def close(self) -> None:
        """Free what the GL context holds of it."""
        self._context.free()

    def frame(self, qpos: NDArray[np.float64], path: CameraPath, time: int) -> tuple[NDArray[np.uint8], ...]:
        """Draw the world at ``qpos``, seen at a time of a camera's path.

        Returns:
            The picture uint8 [h, w, 3]; where the subject is seen, and where it would be seen if it were alone,
            uint8 [2 h, 2 w] of 0 and 1.
        """
        self._place(qpos, path, time)
        seen, alone = (self._marked(self._drawn(option, marked=True)) for option in (self._all, self._alone))
        return _averaged(self._drawn(self._all, marked=False)), seen, alone

    def picture(self, qpos: NDArray[np.float64], path: CameraPath, time: int) -> NDArray[np.uint8]:
        """The picture of ``frame`` alone, uint8 [h, w, 3]."""
        self._place(qpos, path, time)
        return _averaged(self._drawn(self._all, marked=False))

    def _place(self, qpos: NDArray[np.float64], path: CameraPath, time: int) -> None:
        mujoco, data, number = self._mujoco, self._world.data, self._world.camera
        data.qpos[:] = qpos
        mujoco.mj_kinematics(self._world.model, data)
        mujoco.mj_camlight(self._world.model, data)
        right, down, forward = path.axes[time].T
        data.cam_xpos[number] = path.position[time]
        data.cam_xmat[number] = np.stack([right, -down, -forward], axis=1).reshape(-1)

    def _drawn(self, option: Any, *, marked: bool) -> NDArray[np.uint8]:
        """What the scene looks like, large; ``marked``: each thing in a number of its own."""
        mujoco = self._mujoco
        flags = mujoco.mjtRndFlag
        mujoco.mjv_updateScene(
            self._world.model, self._world.data, option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene
        )
        for flag, on in (
            (flags.mjRND_SHADOW, False), (flags.mjRND_REFLECTION, False), (flags.mjRND_SKYBOX, not marked),
            (flags.mjRND_SEGMENT, marked), (flags.mjRND_IDCOLOR, marked),
        ):  # fmt: skip
            self._scene.flags[flag] = on
        mujoco.mjr_render(self._rect, self._scene, self._context)
        read = np.empty((_LARGE, _LARGE, 3), dtype=np.uint8)
        mujoco.mjr_readPixels(read, None, self._rect, self._context)
        return read[::-1]

    def _marked(self, read: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Which pixels show the subject: each thing is drawn in a number of its own."""
        geom = self._mujoco.mjtObj.mjOBJ_GEOM
        numbers = [
            one.segid + 1
            for one in self._scene.geoms[: self._scene.ngeom]
            if one.objtype == geom and one.objid in self._subject
        ]
        value = read.astype(np.int32) @ np.array([1, 256, 65536])
        return np.isin(value, numbers).astype(np.uint8)


def _averaged(large: NDArray[np.uint8]) -> NDArray[np.uint8]:
    wide, n = large.astype(np.uint16), SUPERSAMPLED
    total = sum(wide[row::n, column::n] for row in range(n) for column in range(n))
    return np.asarray((total + n * n // 2) // (n * n), dtype=np.uint8)
