# SPDX-License-Identifier: Apache-2.0
"""The bridge to mmengine: ``type='zoo.<plugin>.<Name>'`` builds from every registry.

mmengine fixes this module's name: for the scope ``zoo`` it imports ``zoo.registry`` and hides an
ImportError of it, so that nothing but mmengine and zoo is imported here. Each of mmengine's root
registries gets one child of scope ``zoo`` that is empty until a name is asked for: the
catalog says which plugin has it, and that one target is imported.
"""

from __future__ import annotations

from typing import Any

from mmengine.registry import DefaultScope, Registry, root

from zoo.catalog import read_catalog
from zoo.errors import LoadError, UnknownNameError
from zoo.loading import load_target
from zoo.manifest.kinds import kinds_of_registry

__all__ = ["ZooRegistry"]

SCOPE = "zoo"


class ZooRegistry(Registry):  # type: ignore[misc]
    """The child of one mmengine root registry that serves the plugins' names.

    Args:
        attribute: Name of the root in ``mmengine.registry``, such as ``"MODELS"``.
        parent: That root.
    """

    def __init__(self, attribute: str, parent: Registry) -> None:
        super().__init__(parent.name, parent=parent, scope=SCOPE)
        self.attribute = attribute

    def get(self, key: str) -> Any:
        """Return the class or function of a name, imported if it is not yet.

        Args:
            key: ``Name`` or ``plugin.Name``, with or without ``zoo.`` before it.

        Raises:
            UnknownNameError: No plugin has it; near names are offered.
            LoadError: It has, and importing it fails: the real exception is chained.
            PluginError: Its plugin cannot be used.
        """
        name = key.removeprefix(f"{SCOPE}.")
        try:
            found = read_catalog().registered(self.attribute, name)
        except UnknownNameError:
            # Whoever makes zoo the default scope means upstream's names by all others.
            if key != name or not _is_default_scope():
                raise
            return super().get(key)
        target = load_target(found)
        if not callable(target):
            message = (
                f"cannot load {found.row.kind} {found.row.name!r}: {found.type} is "
                f"{target!r}, expected a class or function."
            )
            hint = "correct the target in the manifest."
            plugin = found.record.name
            raise LoadError(message, target=found.type, plugin=plugin, hint=hint)
        full_name = f"{found.record.name}.{found.row.name}"
        self._register_module(module=target, module_name=full_name, force=True)
        return target


def _is_default_scope() -> bool:
    scope = DefaultScope.get_current_instance()
    return scope is not None and scope.scope_name == SCOPE


_CHILDREN = {
    attribute: ZooRegistry(attribute, parent)
    for attribute, parent in vars(root).items()
    if isinstance(parent, Registry) and kinds_of_registry(attribute)
}
