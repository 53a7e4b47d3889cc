package dev.llmworker.weights;

import dev.llmworker.weights.content.FiniteCheck;
import dev.llmworker.weights.content.ModelFileException;
import dev.llmworker.weights.content.Packed;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/// MXFP4 as gpt-oss is published: `NAME_blocks` has the quants, 16 bytes for each block, and `NAME_scales` a
/// byte for each. Quants `2 i` and `2 i + 1` are in the halves of byte `i`, the lower one first.
///
/// @param quants of all blocks
/// @param scales of all blocks, a byte each
record SplitBlocks(MemorySegment quants, MemorySegment scales) implements Packed {
    private static final ValueLayout.OfByte BYTE = ValueLayout.JAVA_BYTE;
    private static final String TYPE = "U8";
    private static final String BLOCKS = "_blocks";
    private static final String SCALES = "_scales";
    static final int QUANT_BYTES = 16;

    static boolean isHalf(SafetensorsShard.Entry entry) {
        return entry.typeName().equals(TYPE) && (isBlocks(entry) || entry.name().endsWith(SCALES));
    }

    private static boolean isBlocks(SafetensorsShard.Entry entry) {
        var shape = entry.shape();
        return entry.name().endsWith(BLOCKS) && shape.size() > 1 && shape.getLast() == QUANT_BYTES;
    }

    /// One of the two tensors, in the shape of the whole.
    ///
    /// @param columnsFirst the entry's shape
    static Tensor half(Path file, SafetensorsShard.Entry entry, long[] columnsFirst, MemorySegment data) {
        var shape = isBlocks(entry) ? Arrays.copyOfRange(columnsFirst, 1, columnsFirst.length) : columnsFirst.clone();
        shape[0] *= TensorType.MXFP4.blockElements();
        return new Tensor(file, entry.name(), TensorType.MXFP4, shape, data);
    }

    /// Makes one tensor of each pair of halves.
    ///
    /// @param tensors by their names in the files
    static void join(Map<String, Tensor> tensors) throws ModelFileException {
        for (var name : List.copyOf(tensors.keySet())) {
            if (isHalf(tensors.get(name)) && name.endsWith(BLOCKS)) {
                var whole = name.substring(0, name.length() - BLOCKS.length());
                var scales = tensors.remove(whole + SCALES);
                var blocks = Objects.requireNonNull(tensors.remove(name));
                if (scales == null || !isHalf(scales) || !Arrays.equals(scales.shape(), blocks.shape())) {
                    throw blocks.problem("has no scales in " + whole + SCALES + " of its shape");
                }
                var joined = new Tensor(
                        blocks.file(),
                        whole,
                        TensorType.MXFP4,
                        blocks.shape(),
                        MemorySegment.NULL,
                        new SplitBlocks(blocks.data(), scales.data()));
                Safetensors.refuseSecond(joined, tensors.putIfAbsent(whole, joined));
            }
        }
        for (var tensor : tensors.values()) {
            if (isHalf(tensor)) {
                throw tensor.problem("has no quants");
            }
        }
    }

    private static boolean isHalf(@Nullable Tensor tensor) {
        return tensor != null && tensor.type() == TensorType.MXFP4 && tensor.packed() == null;
    }

    @Override
    public long storedBytes() {
        return quants.byteSize() + scales.byteSize();
    }

    @Override
    public Packed part(int index, long parts) {
        return new SplitBlocks(Tensor.part(quants, index, parts), Tensor.part(scales, index, parts));
    }

    @Override
    public Optional<String> problem() {
        return FiniteCheck.exponents(scales, 1);
    }

    /// Writes blocks as GGUF has them: the scale, then the quants, the first half of them in the lower halves of the
    /// bytes.
    @Override
    public void write(MemorySegment to) {
        var all = new byte[QUANT_BYTES];
        var block = new byte[TensorType.MXFP4.blockBytes()];
        for (var i = 0L; i < scales.byteSize(); i++) {
            MemorySegment.copy(quants, BYTE, i * QUANT_BYTES, all, 0, QUANT_BYTES);
            block[0] = scales.get(BYTE, i);
            for (var j = 0; j < QUANT_BYTES / 2; j++) {
                int low = all[j], high = all[j + QUANT_BYTES / 2];
                block[1 + 2 * j] = (byte) (low & 0x0F | high << 4);
                block[2 + 2 * j] = (byte) (low >>> 4 & 0x0F | high & 0xF0);
            }
            MemorySegment.copy(block, 0, to, BYTE, i * block.length, block.length);
        }
    }
}
