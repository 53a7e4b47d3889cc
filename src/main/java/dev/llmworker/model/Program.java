package dev.llmworker.model;

import ai.djl.Device;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.engine.PtNDManager;
import ai.djl.pytorch.engine.PtSymbolBlock;
import ai.djl.pytorch.jni.IValue;
import ai.djl.pytorch.jni.IValueUtils;
import ai.djl.pytorch.jni.JniUtils;
import dev.llmworker.weights.Tensor;
import dev.llmworker.weights.TensorType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

/// A decoder program in DJL's PyTorch engine: its methods with Java's arguments and results. Values that cross over are
/// native memory and freed on return.
///
/// Threading: one thread makes all calls, the constructor's included; its settings in libtorch are set here.
final class Program implements AutoCloseable {
    /// For CPUs: the fastest form of each matrix, by operators that libtorch has for CPUs.
    static final String QUANTISED = "decoder.pt";
    /// For GPUs: one type, few kernels.
    static final String DENSE = "dense.pt";
    /// For CPUs with AVX2: layers in C++, weights as they are stored. [NativeLibrary] must be loaded.
    static final String NATIVE = "native.pt";

    /// Types whose blocks the native program puts in place, and looks at, by itself.
    private static final Set<TensorType> NATIVE_BLOCKS = EnumSet.of(TensorType.Q4_0, TensorType.Q4_1, TensorType.Q8_0);
    /// Types of which the native program holds just what the file has.
    private static final Set<TensorType> HELD_EXACTLY = EnumSet.of(
            TensorType.Q4_0, TensorType.Q4_1, TensorType.Q8_0, TensorType.F32, TensorType.F16, TensorType.BF16);
    /// The most bytes of a tensor that cross over in one piece: a `ByteBuffer` ends at 2 GB.
    private static final long PIECE_BYTES = 1L << 30;

    private static final int ROWS_MULTIPLE = 64;

    static {
        // DJL reports its use to its makers otherwise.
        System.setProperty("OPT_OUT_TRACKING", "true");
    }

    private final PtNDManager manager;
    private final PtSymbolBlock block;
    private final String resource;

    /// @param resource [#QUANTISED], [#DENSE] or [#NATIVE]
    /// @param threads at least 1
    @SuppressWarnings("MustBeClosedChecker")
    Program(String resource, Device device, int threads) throws IOException {
        this.resource = resource;
        manager = (PtNDManager) NDManager.newBaseManager(device, "PyTorch");
        var loaded = false;
        // All three hold for this thread only. The optimising executor would compile each method again after it has
        // seen
        // its first arguments, for nothing: what it fuses needs LLVM, which libtorch comes without.
        JniUtils.setNumThreads(threads);
        JniUtils.setGraphExecutorOptimize(false);
        JniUtils.setGradMode(false);
        try (var stream = Program.class.getResourceAsStream(resource)) {
            if (stream == null) {
                throw new IOException(resource + " is missing from the worker's jar");
            }
            block = JniUtils.loadModule(manager, stream, true, false);
            loaded = true;
        } finally {
            if (!loaded) {
                manager.close();
            }
        }
    }

    boolean isDense() {
        return resource.equals(DENSE);
    }

    boolean isNative() {
        return resource.equals(NATIVE);
    }

    /// Whether it looks for NaN and infinity itself in weights of a type: its method `is_finite` says what it found.
    boolean checksFinite(TensorType type) {
        return isNative() && NATIVE_BLOCKS.contains(type);
    }

    /// Whether a matrix of a type can be read out again as the file has it.
    boolean holdsExactly(TensorType type) {
        return isNative() && HELD_EXACTLY.contains(type);
    }

    /// How many threads the calls from now on take.
    void useThreads(int threads) {
        JniUtils.setNumThreads(threads);
        if (isNative()) {
            run("use_threads", threads);
        }
    }

    /// A tensor's bytes, cut at multiples of 64 rows where it is large.
    static List<MemorySegment> pieces(Tensor tensor) {
        var data = tensor.data();
        if (data.byteSize() <= PIECE_BYTES) {
            return List.of(data);
        }
        var step = ROWS_MULTIPLE * (data.byteSize() / tensor.rows());
        step = Math.max(step, PIECE_BYTES / step * step);
        var pieces = new ArrayList<MemorySegment>();
        for (var start = 0L; start < data.byteSize(); start += step) {
            pieces.add(data.asSlice(start, Math.min(step, data.byteSize() - start)));
        }
        return pieces;
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

    int integer(String method, Object... arguments) {
        try (var result = call(method, arguments)) {
            return (int) result.toLong();
        }
    }

    int[] integers(String method, Object... arguments) {
        try (var result = call(method, arguments)) {
            var longs = result.toLongArray();
            var integers = new int[longs.length];
            for (var i = 0; i < longs.length; i++) {
                integers[i] = (int) longs[i];
            }
            return integers;
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
            default -> throw new IllegalArgumentException("no value of the program is a " + argument.getClass());
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

    /// The segment's memory itself, not a copy.
    private static PtNDArray tensor(PtNDManager local, Object segment) {
        var bytes = ((MemorySegment) segment).asByteBuffer();
        return local.create(bytes, new Shape(bytes.remaining()), DataType.UINT8);
    }

    @Override
    public void close() {
        if (isNative()) {
            run("close");
        }
        block.close();
        manager.close();
    }
}
