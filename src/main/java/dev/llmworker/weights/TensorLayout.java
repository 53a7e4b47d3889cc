package dev.llmworker.weights;

import dev.llmworker.weights.content.Metadata;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// Finds the tensors' data in the mapped file, and checks that each is aligned, inside the file and does not
/// overlap another.
final class TensorLayout {
    private static final int DEFAULT_ALIGNMENT = 32;
    private static final int LEAST_ALIGNMENT = 8;
    private static final int MAX_ALIGNMENT = 65_536;

    private final Path file;
    private final MemorySegment mapping;
    private final int alignment;
    private final long dataStart;

    private TensorLayout(Path file, MemorySegment mapping, int alignment, long headerEnd) {
        this.file = file;
        this.mapping = mapping;
        this.alignment = alignment;
        this.dataStart = Math.ceilDiv(headerEnd, alignment) * (long) alignment;
    }

    /// The tensors by name, in file order.
    static Map<String, Tensor> place(Path file, MemorySegment mapping, HeaderReader.Header header)
            throws ModelFileException {
        var layout = new TensorLayout(file, mapping, alignment(file, header.metadata()), header.end());
        var tensors = new LinkedHashMap<String, Tensor>();
        for (var entry : header.tensors()) {
            var data = mapping.asSlice(layout.start(entry), layout.bytes(entry));
            tensors.put(entry.name(), new Tensor(file, entry.name(), entry.type(), entry.shape(), data));
        }
        layout.checkOverlaps(List.copyOf(tensors.values()));
        return tensors;
    }

    private static int alignment(Path file, Metadata metadata) throws ModelFileException {
        var alignment = metadata.integer("general.alignment", DEFAULT_ALIGNMENT);
        if (alignment < LEAST_ALIGNMENT || alignment > MAX_ALIGNMENT || Integer.bitCount(alignment) != 1) {
            throw new ModelFileException(
                    file,
                    "metadata general.alignment is " + alignment + "; expected a power of two from " + LEAST_ALIGNMENT
                            + " to " + MAX_ALIGNMENT);
        }
        return alignment;
    }

    /// The tensor's first byte in the file. Also checks its last byte.
    private long start(HeaderReader.Entry entry) throws ModelFileException {
        var offset = entry.offset();
        if (offset % alignment != 0) {
            throw failure(
                    entry,
                    "starts at byte " + Long.toUnsignedString(offset) + " of the data; expected a multiple of "
                            + alignment);
        }
        var bytes = bytes(entry);
        if (offset < 0 || offset > mapping.byteSize() || dataStart + offset > mapping.byteSize() - bytes) {
            throw failure(
                    entry,
                    "takes " + bytes + " bytes from byte " + Long.toUnsignedString(offset)
                            + " of the data, which starts at byte " + dataStart + "; the file ends at byte "
                            + mapping.byteSize());
        }
        return dataStart + offset;
    }

    private long bytes(HeaderReader.Entry entry) throws ModelFileException {
        var type = entry.type();
        var columns = entry.shape()[0];
        if (columns % type.blockElements() != 0) {
            throw failure(
                    entry, "has " + columns + " columns; " + type + " takes a multiple of " + type.blockElements());
        }
        try {
            var elements = Arrays.stream(entry.shape()).reduce(1, Math::multiplyExact);
            return Math.multiplyExact(elements / type.blockElements(), (long) type.blockBytes());
        } catch (ArithmeticException _) {
            throw failure(
                    entry,
                    "of shape " + Arrays.toString(entry.shape()) + " takes more than " + Long.MAX_VALUE
                            + " bytes; the file has " + mapping.byteSize());
        }
    }

    private void checkOverlaps(List<Tensor> tensors) throws ModelFileException {
        var sorted = new ArrayList<>(tensors);
        sorted.sort(Comparator.comparingLong(tensor -> tensor.data().address()));
        for (var i = 1; i < sorted.size(); i++) {
            var before = sorted.get(i - 1);
            var end = offset(before) + before.data().byteSize();
            if (offset(sorted.get(i)) < end) {
                throw new ModelFileException(
                        file,
                        "tensors " + before.name() + " and " + sorted.get(i).name()
                                + " overlap: the first ends at byte " + end + ", the second starts at byte "
                                + offset(sorted.get(i)));
            }
        }
    }

    private long offset(Tensor tensor) {
        return tensor.data().address() - mapping.address();
    }

    private ModelFileException failure(HeaderReader.Entry entry, String problem) {
        return new ModelFileException(file, "tensor " + entry.name() + " " + problem);
    }
}
