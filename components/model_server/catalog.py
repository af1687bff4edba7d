"""Finds what a request's `ModelSpec` names, and describes it; the same for both APIs.

Sources: `model_servers/server_core.cc`, `model_servers/get_model_status_impl.cc`,
`servables/tensorflow/get_model_metadata_impl.cc`.
"""

from contextlib import AbstractContextManager
from typing import Any

from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2

from components.model_server.servable import Servable
from components.model_server.served_model import ServedModel, VersionStatus
from components.model_server.status import Code, RequestError, invalid

_METADATA_FIELD = "signature_def"


class Catalog:
    """The models that one server serves, by name."""

    def __init__(self, *models: ServedModel) -> None:
        self._models = {model.name: model for model in models}

    def lease(self, spec: Any) -> AbstractContextManager[Servable]:
        """Return a context manager that yields the version that a `ModelSpec` names.

        Raises:
            RequestError: no such model, or an unknown label; in the block: no such version.
        """
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        if spec.WhichOneof("version_choice") == "version_label":
            raise invalid(f"Unrecognized servable version label: {spec.version_label}")
        version = spec.version.value if spec.HasField("version") else None
        model = self._models.get(spec.name)
        if model is None:
            wanted = "Latest" if version is None else "Specific"
            which = spec.name if version is None else f"{spec.name}, {version}"
            raise RequestError(Code.NOT_FOUND, f"Servable not found for request: {wanted}({which})")
        return model.lease(version)

    def status(self, request: Any) -> Any:
        """Answer GetModelStatus. A label is ignored, as TensorFlow Serving does.

        Raises:
            RequestError: no such model or version, or none named.
        """
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        spec = request.model_spec
        model = self._models.get(spec.name)
        statuses = model.statuses() if model else []
        if not statuses:
            raise RequestError(Code.NOT_FOUND, f"Could not find any versions of model {spec.name}")
        if spec.HasField("version"):
            statuses = [status for status in statuses if status.number == spec.version.value]
            if not statuses:
                raise RequestError(
                    Code.NOT_FOUND,
                    f"Could not find version {spec.version.value} of model {spec.name}",
                )
        response = get_model_status_pb2.GetModelStatusResponse()
        for status in statuses:
            _add_status(response, status)
        return response

    def metadata(self, request: Any) -> Any:
        """Answer GetModelMetadata: all signatures, the initialiser's too.

        Raises:
            RequestError: no such model or version, or another field than ``signature_def``.
        """
        if not request.HasField("model_spec"):
            raise invalid("Missing ModelSpec")
        if not request.metadata_field:
            raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
        for field in request.metadata_field:
            if field != _METADATA_FIELD:
                raise invalid(f"Metadata field {field} is not supported")
        with self.lease(request.model_spec) as servable:
            response = get_model_metadata_pb2.GetModelMetadataResponse()
            response.model_spec.name = request.model_spec.name
            response.model_spec.version.value = servable.number
            signatures = get_model_metadata_pb2.SignatureDefMap()
            for name, definition in servable.signature_defs.items():
                signatures.signature_def[name].CopyFrom(definition)
            response.metadata[_METADATA_FIELD].Pack(signatures)
        return response


def _add_status(response: Any, status: VersionStatus) -> None:
    added = response.model_version_status.add(version=status.number, state=int(status.state))
    added.status.error_code = int(status.code)
    added.status.error_message = status.message
