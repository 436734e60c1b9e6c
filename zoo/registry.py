# SPDX-License-Identifier: Apache-2.0
"""The bridge to mmengine: ``type='zoo.<plugin>.<Name>'`` builds from every registry.

mmengine dictates the name of this module: for the scope ``zoo`` it imports ``zoo.registry`` and
hides an ImportError, so this module imports only mmengine and zoo. Each root registry of mmengine
gets one child with the scope ``zoo``. The child is empty until a name is requested; it then looks
up the plugin in the catalog and imports only that target.
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
    """The child of one mmengine root registry; resolves names of plugins.

    Args:
        attribute: Name of the root registry in ``mmengine.registry``, such as ``"MODELS"``.
        parent: The root registry.
    """

    def __init__(self, attribute: str, parent: Registry) -> None:
        super().__init__(parent.name, parent=parent, scope=SCOPE)
        self.attribute = attribute

    def get(self, key: str) -> Any:
        """Return the class or function of a name; import it if necessary.

        Args:
            key: ``Name`` or ``plugin.Name``, with or without the prefix ``zoo.``.

        Raises:
            UnknownNameError: No plugin has that name; similar names are listed.
            LoadError: Importing it fails; the real exception is chained.
            PluginError: The plugin cannot be used.
        """
        name = key.removeprefix(f"{SCOPE}.")
        try:
            found = read_catalog().registered(self.attribute, name)
        except UnknownNameError:
            # With zoo as the default scope, all other names are upstream's.
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
