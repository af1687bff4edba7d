"""Which of TensorFlow's operations reach beyond the tensors that they are given.

`saved_model_cli scan` knows three (WriteFile, ReadFile, PrintV2). These are all of TensorFlow 2.21
whose inputs or attributes name a file, a host or a program, and older ones that it no longer has.
"""

from collections.abc import Callable
from typing import Any

_READS = "reads files"
_WRITES = "writes files"
_NETWORK = "talks to other processes"
_PYTHON = "runs Python of the process that exported it"
_HIDDEN = "runs a program that is data here, so that its operations can't be seen"

_OPS = {
    _READS: """
        CSVDataset CSVDatasetV2 ExperimentalCSVDataset ExperimentalLMDBDataset
        ExperimentalMatchingFilesDataset FixedLengthRecordDataset FixedLengthRecordDatasetV2
        FixedLengthRecordReader FixedLengthRecordReaderV2 GenerateVocabRemapping ImmutableConst
        InitializeTableFromTextFile InitializeTableFromTextFileV2 LMDBDataset LMDBReader
        ListSnapshotChunksDataset LoadAndRemapMatrix LoadDataset MatchingFiles MatchingFilesDataset
        ReadFile ReaderRead ReaderReadUpTo ReaderReadUpToV2 ReaderReadV2 RecordInput Restore
        RestoreSlice RestoreV2 DTensorRestoreV2 Skipgram SnapshotChunkDataset SnapshotDatasetReader
        SnapshotNestedDatasetReader TFRecordDataset TFRecordDatasetV2 TFRecordReader
        TFRecordReaderV2 TextLineDataset TextLineReader TextLineReaderV2 WholeFileReader
        WholeFileReaderV2
    """,
    _WRITES: """
        CalibrationStatisticsSaver CloseSummaryWriter CreateSummaryDbWriter CreateSummaryFileWriter
        DatasetToTFRecord DistributedSave DumpTensor ExperimentalDatasetToTFRecord
        FlushSummaryWriter ImportEvent MergeV2Checkpoints Save SaveDataset SaveDatasetV2 SaveSlices
        SaveV2 SnapshotDataset SnapshotDatasetV2 StatsAggregatorSetSummaryWriter WriteAudioSummary
        WriteFile WriteGraphSummary WriteHistogramSummary WriteImageSummary WriteRawProtoSummary
        WriteScalarSummary WriteSummary
    """,
    _NETWORK: """
        CollectiveAllToAllV2 CollectiveAllToAllV3 CollectiveBcastRecv CollectiveBcastRecvV2
        CollectiveBcastSend CollectiveBcastSendV2 CollectiveGather CollectiveGatherV2
        CollectiveInitializeCommunicator CollectivePermute CollectiveReduce
        CollectiveReduceScatterV2 CollectiveReduceV2 CollectiveReduceV3 DataServiceDataset
        DataServiceDatasetV2 DataServiceDatasetV3 DataServiceDatasetV4 ExperimentalSqlDataset
        FileSystemSetConfiguration RegisterDataset RegisterDatasetV2 RemoteCall Rpc RpcCall
        RpcClient RpcServer RpcServerRegister RpcServerStart SqlDataset TryRpc
    """,
    _PYTHON: "EagerPyFunc PyFunc PyFuncStateless",
    _HIDDEN: """
        DatasetFromGraph DeserializeIterator MlirPassthroughOp RemoteFusedGraphExecute TRTEngineOp
        XlaCustomCall XlaCustomCallV2 _TPUCompileMlir _XlaHostComputeMlir
    """,
    "ends the process": "Abort",
}
_WHY = {op: why for why, ops in _OPS.items() for op in ops.split()}


def why_risky(node: Any, constant_input: Callable[[int], bytes | None]) -> str | None:
    """Return what a node does beyond computing; None where it only computes.

    Args:
        node: a `NodeDef`.
        constant_input: gives the text of an input by its index where the graph says it; else None.
    """
    if node.op in _BY_SETTING:
        return _BY_SETTING[node.op](node, constant_input)
    return _WHY.get(node.op)


_Constant = Callable[[int], bytes | None]


def _print(node: Any, constant_input: _Constant) -> str | None:
    return _WRITES if node.attr["output_stream"].s.startswith(b"file:") else None


def _cache(node: Any, constant_input: _Constant) -> str | None:
    return None if constant_input(1) == b"" else _WRITES


def _sampler(node: Any, constant_input: _Constant) -> str | None:
    return _READS if node.attr["vocab_file"].s else None


def _proto(node: Any, constant_input: _Constant) -> str | None:
    source = node.attr["descriptor_source"].s
    return None if source in (b"", b"local://") or source.startswith(b"bytes://") else _READS


def _debug(node: Any, constant_input: _Constant) -> str | None:
    return "sends tensors to files or hosts" if node.attr["debug_urls"].list.s else None


_BY_SETTING = {
    "PrintV2": _print,
    "CacheDataset": _cache,
    "CacheDatasetV2": _cache,
    "FixedUnigramCandidateSampler": _sampler,
    "DecodeProtoV2": _proto,
    "EncodeProto": _proto,
    "DebugIdentity": _debug,
    "DebugIdentityV2": _debug,
    "DebugIdentityV3": _debug,
    "DebugNanCount": _debug,
    "DebugNumericSummary": _debug,
}
