package dev.llmworker.model.decoder;

import ai.djl.Device;
import ai.djl.engine.EngineException;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/// An exported TorchScript program in DJL's PyTorch engine. It calls methods by name, with Java's arguments and
/// results. Values that cross over are native memory and are freed on return. [DecoderProgram] has the typed calls.
///
/// Threading: one thread makes all calls, including the constructor, which sets libtorch's options of the thread.
final class ExportedProgram implements AutoCloseable {
    private static final String FOLDER = "/dev/llmworker/model/";

    private static volatile Source source = ExportedProgram::load;

    private final PtNDManager manager;
    private final PtSymbolBlock block;
    private final int threads;

    /// @param file of the program: `dense.pt`
    /// @param threads at least 1
    @SuppressWarnings("MustBeClosedChecker")
    ExportedProgram(String file, Device device, int threads) throws IOException {
        this.threads = threads;
        manager = (PtNDManager) NDManager.newBaseManager(device, "PyTorch");
        var loaded = false;
        // All three options apply to this thread only. The optimising executor would compile each method again after
        // its first call. This gains nothing: its fusions need LLVM, which libtorch comes without.
        JniUtils.setNumThreads(threads);
        JniUtils.setGraphExecutorOptimize(false);
        JniUtils.setGradMode(false);
        try {
            block = source.module(file, manager);
            loaded = true;
        } finally {
            if (!loaded) {
                manager.close();
            }
        }
    }

    /// Where modules come from.
    @FunctionalInterface
    interface Source {
        PtSymbolBlock module(String file, PtNDManager manager) throws IOException;
    }

    /// For tests, which open many: they load each file once.
    static void openFrom(Source other) {
        source = other;
    }

    static PtSymbolBlock load(String file, PtNDManager manager) throws IOException {
        try (var stream = ExportedProgram.class.getResourceAsStream(FOLDER + file)) {
            if (stream == null) {
                throw new IOException(file + " is missing from the worker's jar");
            }
            // A process that loaded two programs at once crashed in libtorch.
            synchronized (ExportedProgram.class) {
                return JniUtils.loadModule(manager, stream, true, false);
            }
        }
    }

    /// The threads that it was opened with.
    int threads() {
        return threads;
    }

    /// A call without a result.
    ///
    /// @param arguments `Long` or `Integer`, `Double`, `Boolean`, `String`, `long[]`, `long[][]`,
    ///     `double[]`, and `List<MemorySegment>` for a list of byte tensors
    void run(String method, Object... arguments) {
        call(method, arguments).close();
    }

    boolean test(String method, Object... arguments) {
        try (var result = call(method, arguments)) {
            return result.toBoolean();
        }
    }

    String text(String method) {
        try (var result = call(method)) {
            return result.toStringValue();
        }
    }

    long integer(String method, Object... arguments) {
        try (var result = call(method, arguments)) {
            return result.toLong();
        }
    }

    int[] integers(String method, Object... arguments) {
        try (var result = call(method, arguments)) {
            return Arrays.stream(result.toLongArray())
                    .mapToInt(value -> (int) value)
                    .toArray();
        }
    }

    float[] floats(String method, Object... arguments) {
        try (var local = (PtNDManager) manager.newSubManager();
                var result = call(method, arguments)) {
            return result.toTensor(local).toFloatArray();
        }
    }

    private IValue call(String method, Object... arguments) {
        try (var local = (PtNDManager) manager.newSubManager(Device.cpu())) {
            var values = new ArrayList<IValue>(arguments.length);
            try {
                for (var argument : arguments) {
                    values.add(value(local, argument));
                }
                return IValueUtils.runMethod(block, method, values.toArray(IValue[]::new));
            } catch (EngineException e) {
                throw OutOfMemoryException.of(e);
            } finally {
                values.forEach(IValue::close);
            }
        }
    }

    private static IValue value(PtNDManager local, Object argument) {
        return switch (argument) {
            case Integer integer -> IValue.from(integer.longValue());
            case Long integer -> IValue.from(integer);
            case Double number -> IValue.from(number);
            case Boolean flag -> IValue.from(flag);
            case String text -> IValue.from(text);
            case long[] integers -> IValue.listFrom(integers);
            case double[] numbers -> IValue.listFrom(numbers);
            case long[][] lists -> listOfLists(lists);
            case List<?> segments -> tensors(local, segments);
            default -> throw new IllegalArgumentException("a program takes no " + argument.getClass());
        };
    }

    private static IValue listOfLists(long[][] lists) {
        var values = Arrays.stream(lists).map(IValue::listFrom).toArray(IValue[]::new);
        try {
            return IValue.listFrom(values);
        } finally {
            for (var value : values) {
                value.close();
            }
        }
    }

    private static IValue tensors(PtNDManager local, List<?> segments) {
        var tensors = new PtNDArray[segments.size()];
        for (var i = 0; i < tensors.length; i++) {
            tensors[i] = tensor(local, segments.get(i));
        }
        return IValue.listFrom(tensors);
    }

    /// A tensor of the segment's own memory, not a copy.
    private static PtNDArray tensor(PtNDManager local, Object segment) {
        var bytes = ((MemorySegment) segment).asByteBuffer();
        return local.create(bytes, new Shape(bytes.remaining()), DataType.UINT8);
    }

    @Override
    public void close() {
        block.close();
        manager.close();
    }
}
