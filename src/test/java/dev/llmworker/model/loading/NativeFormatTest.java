package dev.llmworker.model.loading;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.llmworker.testing.Concurrent;
import dev.llmworker.weights.content.Tensor;
import dev.llmworker.weights.content.TensorType;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// The bytes of 256 columns of a row: what the kernels' `block_bytes` and `unit_bytes` are for one of a panel's rows.
@Concurrent
class NativeFormatTest {
    @ParameterizedTest
    @CsvSource({
        "F32, 1024", "F16, 512", "BF16, 512", "Q8_0, 272", "Q6_K, 210", "Q5_0, 176", "Q5_1, 192", "Q5_K, 180",
        "Q4_0, 144", "Q4_1, 160", "Q4_K, 148", "Q3_K, 160", "Q2_K, 192", "MXFP4, 144", "IQ4_XS, 144", "IQ2_S, 160"
    })
    void aMatrixTakesTheBytesOfItsFormat(TensorType type, long bytes) {
        var matrix = new Tensor(Path.of("file"), "matrix", type, new long[] {256, 3}, MemorySegment.NULL);
        assertEquals(3 * bytes, NativeFormat.bytes(matrix));
    }
}
