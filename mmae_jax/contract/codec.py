"""Records as `tf.train.Example` messages, byte for byte those of the `tfds` features that describe them.

`tfds` itself looks at every value of a message several times, 0.1 to 2 ms a record; a tile has up to 256. Here every
array is copied at most twice.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.proto import tf_example_pb2, tf_feature_pb2

Record = dict[str, Any]
"""One tile or block: fields and, nested, those of its modalities, as numpy arrays and strings."""

Path = tuple[str, ...]
"""Names that lead to a field of a record."""


class Field(NamedTuple):
    """How one array or text stands in a message.

    Attributes:
      path: names that lead to it in a record.
      dtype: dtype of its values; None for text.
      shape: shape of the array, -1 for any length; such lengths come first.
      compressed: whether its bytes are compressed.
      key: its name in the message.
      shape_key: name in the message of the array's shape; None where `shape` leaves at most one length open.
    """

    path: Path
    dtype: np.dtype[Any] | None
    shape: tuple[int, ...]
    compressed: bool
    key: str
    shape_key: str | None


class Codec:
    """Encodes and decodes records of some features."""

    def __init__(self, features: Mapping[str, Any]) -> None:
        """Derives the fields of a message.

        Args:
          features: `tfds` features; of a record to encode, or those to decode, where the others are skipped.

        Raises:
          ValueError: a feature is neither text nor an array stored as bytes; names it.
        """
        self._fields = tuple(_fields(features, ()))

    def encode(self, record: Record) -> bytes:
        """Returns the message of a record: in every process the same bytes.

        Raises:
          KeyError: a field is absent.
          ValueError: a field has another shape or dtype than its feature; names it.
        """
        message = tf_example_pb2.Example()
        features = message.features.feature
        for field in self._fields:
            value = record
            for name in field.path:
                value = value[name]
            array = None if field.dtype is None else _checked(field, np.asarray(value))
            content = str(value).encode() if array is None else array.tobytes()
            features[field.key].bytes_list.value.append(zlib.compress(content) if field.compressed else content)
            if field.shape_key is not None and array is not None:
                features[field.shape_key].int64_list.value.extend(array.shape)
        # without this, the order of the fields would be left to chance, and no checksum would be reproducible
        return message.SerializeToString(deterministic=True)

    def encode_all(self, shared: Record, own: Mapping[Path, np.ndarray]) -> Iterator[bytes]:
        """Yields the messages of N records that have most fields in common: `encode` of each, in less time.

        Args:
          shared: the common fields; those of `own` are not looked at.
          own: fields that differ → their values in each record, `[N, …]`, contiguous; not empty.

        Raises:
          KeyError, ValueError: as `encode`.
        """
        records = (
            replaced(shared, {path: values[index] for path, values in own.items()})
            for index in range(len(next(iter(own.values()))))
        )
        first = self.encode(next(records))
        yield first
        differing = [field for field in self._fields if field.path in own]
        if any(field.compressed for field in differing):  # of another size in each record
            yield from map(self.encode, records)
            return
        ends = _ends(first)
        differing.sort(key=lambda field: ends[field.key])
        arrays = [own[field.path] for field in differing]
        starts = [ends[field.key] - array[0].nbytes for field, array in zip(differing, arrays, strict=True)]
        between = zip([0, *(ends[field.key] for field in differing)], [*starts, len(first)], strict=True)
        parts: list[Any] = [b""] * (2 * len(arrays) + 1)
        parts[::2] = [first[begin:end] for begin, end in between]
        for index in range(1, len(arrays[0])):
            parts[1::2] = [array[index] for array in arrays]
            yield b"".join(parts)

    def decode(self, serialized: bytes) -> Record:
        """Returns the record of a message; arrays are read-only, texts are bytes.

        Raises:
          ValueError: this is no such message, or a field is absent or has another size than its feature; names it.
        """
        try:
            features = tf_example_pb2.Example.FromString(serialized).features.feature
        except Exception as error:  # of a type that depends on the implementation of protobuf
            raise ValueError(" ".join(str(error).split())) from error
        record: Record = {}
        for field in self._fields:
            *parents, name = field.path
            part = record
            for parent in parents:
                part = part.setdefault(parent, {})
            part[name] = _read(field, features)
        return record


def replaced(record: Record, fields: Mapping[Path, Any]) -> Record:
    """Returns a record in which some fields have other values."""
    changed = dict(record)
    for (name, *inner), value in fields.items():
        changed[name] = {**changed[name], inner[0]: value} if inner else value
    return changed


def _ends(message: bytes) -> dict[str, int]:
    """Returns where the content of each field ends in a message: its fields stand in order of their keys."""
    features = tf_example_pb2.Example.FromString(message).features.feature
    sizes = {key: tf_feature_pb2.Features(feature={key: features[key]}).ByteSize() for key in sorted(features)}
    head = len(message) - sum(sizes.values())
    return dict(zip(sizes, (head + np.cumsum(list(sizes.values()))).tolist(), strict=True))


def _fields(features: Mapping[str, Any], parents: tuple[str, ...]) -> Sequence[Field]:
    fields: list[Field] = []
    for name, feature in features.items():
        path = (*parents, name)
        key = "/".join(path)
        if isinstance(feature, Mapping | tfds.features.FeaturesDict):
            fields += _fields(feature, path)
        elif isinstance(feature, tfds.features.Text):
            fields.append(Field(path, None, (), False, key, None))
        else:
            fields.append(_array(path, key, feature))
    return fields


def _array(path: tuple[str, ...], key: str, feature: Any) -> Field:
    encoding = feature.to_json_content().encoding if type(feature) is tfds.features.Tensor else "none"
    if encoding == "none":
        raise ValueError(f"{key}: expected text or an array stored as bytes, found {feature}")
    shape = tuple(-1 if length is None else length for length in feature.shape)
    field = Field(path, np.dtype(feature.np_dtype), shape, encoding == "zlib", key, None)

    return field if shape.count(-1) < 2 else field._replace(key=f"{key}/value", shape_key=f"{key}/shape")


def _checked(field: Field, array: np.ndarray) -> np.ndarray:
    fixed = field.shape.count(-1)  # open lengths come first
    fits = array.ndim == len(field.shape) and array.shape[fixed:] == field.shape[fixed:]
    if not fits or array.dtype != field.dtype:
        raise ValueError(
            f"{'.'.join(field.path)}: expected {field.dtype} {list(field.shape)}, "
            f"found {array.dtype} {list(array.shape)}"
        )
    return array


def _read(field: Field, features: Mapping[str, Any]) -> Any:
    values = features[field.key].bytes_list.value if field.key in features else []
    if len(values) != 1:
        raise ValueError(f"{'.'.join(field.path)}: expected one value, found {len(values)}")
    content: bytes = values[0]
    if field.dtype is None:
        return content
    try:
        if field.compressed:
            content = zlib.decompress(content)
        shape = field.shape if field.shape_key is None else tuple(features[field.shape_key].int64_list.value)
        return np.frombuffer(content, field.dtype).reshape(shape)
    except (ValueError, zlib.error) as error:
        raise ValueError(f"{'.'.join(field.path)}: {error}") from error
