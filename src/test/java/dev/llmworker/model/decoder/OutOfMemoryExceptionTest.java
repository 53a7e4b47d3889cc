package dev.llmworker.model.decoder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import dev.llmworker.model.device.Libtorch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class OutOfMemoryExceptionTest {
    /// More than a process can address.
    private static final long FLOATS = 1L << 48;

    @Test
    void libtorchsOwnErrorIsRecognised() throws Exception {
        Libtorch.await();
        try (var manager = NDManager.newBaseManager(ai.djl.Device.cpu(), "PyTorch")) {
            var error = assertThrows(EngineException.class, () -> manager.zeros(new Shape(FLOATS)));
            assertInstanceOf(OutOfMemoryException.class, OutOfMemoryException.of(error));
        }
    }

    /// As CUDA's allocator and libraries say it, the first as a TorchScript program passes it on; and as C++ does.
    @ParameterizedTest
    @ValueSource(
            strings = {
                "The following operation failed in the TorchScript interpreter.\nRuntimeError: CUDA out of memory. Tried to"
                        + " allocate 20.00 MiB. GPU 0 has a total capacity of 23.64 GiB",
                "CUDA error: out of memory",
                "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
                "llmworker::forward: std::bad_alloc",
                "std::bad_alloc: 830 MB for weights could not be allocated"
            })
    void otherAllocatorsErrorsAreRecognised(String message) {
        var found = OutOfMemoryException.of(new EngineException(message));
        assertInstanceOf(OutOfMemoryException.class, found);
        var lines = message.lines().toList();
        assertEquals(lines.getLast(), found.getMessage());
    }

    @Test
    void otherErrorsStayWhatTheyAre() {
        var other = new EngineException("CUDA error: an illegal memory access was encountered");
        assertSame(other, OutOfMemoryException.of(other));
        assertSame(
                EngineException.class,
                OutOfMemoryException.of(new EngineException((String) null)).getClass());
    }
}
