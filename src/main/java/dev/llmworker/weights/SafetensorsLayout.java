package dev.llmworker.weights;

import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Predicate;

/// Finds the tensors' data in a mapped safetensors file. The format requires them back to back from the first
/// byte to the last, so nothing can overlap or be hidden.
final class SafetensorsLayout {
    private final Path file;
    private final MemorySegment data;

    private SafetensorsLayout(Path file, MemorySegment data) {
        this.file = file;
        this.data = data;
    }

    /// The tensors by their names in the file, in file order. A tensor of an unsupported type is left out if
    /// `ignored` has its name, and rejected otherwise.
    static Map<String, Tensor> place(
            Path file, MemorySegment mapping, SafetensorsHeader.Header header, Predicate<String> ignored)
            throws ModelFileException {
        var layout = new SafetensorsLayout(file, mapping.asSlice(header.dataStart()));
        layout.checkPlaces(header.tensors());
        var tensors = new LinkedHashMap<String, Tensor>();
        for (var entry : header.tensors()) {
            if (!ignored.test(entry.name())) {
                tensors.put(entry.name(), layout.tensor(entry));
            }
        }
        return tensors;
    }

    private void checkPlaces(List<SafetensorsHeader.Entry> entries) throws ModelFileException {
        var sorted = new ArrayList<>(entries);
        sorted.sort(Comparator.comparingLong(SafetensorsHeader.Entry::begin)
                .thenComparingLong(SafetensorsHeader.Entry::end));
        var end = 0L;
        for (var entry : sorted) {
            if (entry.end() < entry.begin() || entry.end() > data.byteSize()) {
                throw failure(
                        entry,
                        "takes bytes " + entry.begin() + " to " + entry.end() + " of the data, which has "
                                + data.byteSize() + (entry.end() > data.byteSize() ? ": the file is truncated" : ""));
            }
            if (entry.begin() != end) {
                throw failure(
                        entry,
                        "starts at byte " + entry.begin() + " of the data; the tensor before it ends at byte " + end);
            }
            end = entry.end();
        }
        if (end != data.byteSize()) {
            throw new ModelFileException(file, "has " + data.byteSize() + " bytes of data; its tensors take " + end);
        }
    }

    private Tensor tensor(SafetensorsHeader.Entry entry) throws ModelFileException {
        if (SplitBlocks.isHalf(entry)) {
            var own = data(entry, bytes(entry, 1), entry.typeName());
            return SplitBlocks.half(file, entry, columnsFirst(entry.shape()), own);
        }
        var type = entry.type()
                .orElseThrow(() -> failure(entry, "is " + entry.typeName() + "; supported: F32, F16, BF16"));
        var own = data(entry, bytes(entry, type.blockBytes()), type.name());
        return new Tensor(file, entry.name(), type, columnsFirst(entry.shape()), own);
    }

    private MemorySegment data(SafetensorsHeader.Entry entry, long bytes, String type) throws ModelFileException {
        if (bytes != entry.end() - entry.begin()) {
            throw failure(
                    entry,
                    "has " + (entry.end() - entry.begin()) + " bytes; " + type + " of shape " + entry.shape()
                            + " takes " + bytes);
        }
        return data.asSlice(entry.begin(), bytes);
    }

    private long bytes(SafetensorsHeader.Entry entry, long elementBytes) throws ModelFileException {
        try {
            return entry.shape().stream().reduce(elementBytes, Math::multiplyExact);
        } catch (ArithmeticException _) {
            throw failure(
                    entry,
                    "of shape " + entry.shape() + " takes more than " + Long.MAX_VALUE + " bytes; the file has "
                            + data.byteSize());
        }
    }

    /// A single number becomes a vector with one element.
    private static long[] columnsFirst(List<Long> rowsFirst) {
        return rowsFirst.isEmpty()
                ? new long[] {1}
                : rowsFirst.reversed().stream().mapToLong(Long::longValue).toArray();
    }

    private ModelFileException failure(SafetensorsHeader.Entry entry, String problem) {
        return new ModelFileException(file, "tensor " + entry.name() + " " + problem);
    }
}
