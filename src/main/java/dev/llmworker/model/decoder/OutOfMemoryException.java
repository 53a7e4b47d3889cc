package dev.llmworker.model.decoder;

import java.util.List;
import org.jspecify.annotations.Nullable;

/// The memory of the device does not suffice for a call. The decoder is as good as before, except for what the call
/// wrote.
public final class OutOfMemoryException extends RuntimeException {
    private static final long serialVersionUID = 1;
    /// Of libtorch's allocators for CUDA and for CPUs, of NVIDIA's libraries, and of C++, in which the native layers
    /// are.
    private static final List<String> SIGNS = List.of(
            "out of memory",
            "can't allocate memory",
            "not enough memory: you tried to allocate",
            "CUBLAS_STATUS_ALLOC_FAILED",
            "CUDNN_STATUS_ALLOC_FAILED",
            "std::bad_alloc");

    public OutOfMemoryException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /// The error of a call of libtorch, as this exception if it is about memory. Libtorch only tells by its message.
    static RuntimeException of(RuntimeException error) {
        var message = String.valueOf(error.getMessage());
        return message.lines()
                .filter(line -> SIGNS.stream().anyMatch(line::contains))
                .findFirst()
                .<RuntimeException>map(line -> new OutOfMemoryException(line.strip(), error))
                .orElse(error);
    }
}
