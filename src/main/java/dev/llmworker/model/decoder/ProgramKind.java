package dev.llmworker.model.decoder;

import ai.djl.Device;
import java.io.IOException;
import java.util.function.Function;

/// The kinds of decoder programs.
enum ProgramKind {
    /// For CPUs: the fastest layout of each matrix, by operators that libtorch has for CPUs.
    QUANTISED("decoder.pt", QuantisedProgram::new),
    /// For GPUs: one number format, few kernels.
    DENSE("dense.pt", DenseProgram::new),
    /// For CPUs: layers in C++, weights as they are stored. [dev.llmworker.model.NativeLibrary] must be
    /// loaded first.
    NATIVE("native.pt", NativeProgram::new);

    private final String file;
    private final Function<ExportedProgram, DecoderProgram> typed;

    ProgramKind(String file, Function<ExportedProgram, DecoderProgram> typed) {
        this.file = file;
        this.typed = typed;
    }

    /// The exported program's file.
    String file() {
        return file;
    }

    /// @param threads at least 1
    DecoderProgram open(Device device, int threads) throws IOException {
        var exported = new ExportedProgram(file, device, threads);
        try {
            return typed.apply(exported);
        } catch (RuntimeException e) {
            exported.close();
            throw e;
        }
    }
}
