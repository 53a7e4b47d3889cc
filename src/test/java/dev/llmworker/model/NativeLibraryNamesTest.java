package dev.llmworker.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.llmworker.model.device.CpuFeatures;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Which library in C++ fits which machine.
class NativeLibraryNamesTest {
    private static final Set<String> AVX2 = Set.of("avx2", "fma", "f16c", "sse2");
    private static final Set<String> AVX512 =
            Set.of("avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512dq", "avx512_vnni");

    @TempDir
    private Path folder;

    @Test
    void theFastestOneForTheCpuComesFirstAndThenTheOneForAnyCpu() {
        assertEquals(
                List.of("libllmworker-linux-x86_64.so", "libllmworker-linux-x86_64-portable.so"),
                NativeLibrary.names("Linux", "amd64", AVX2));
        assertEquals(
                List.of(
                        "libllmworker-linux-x86_64-avx512.so",
                        "libllmworker-linux-x86_64.so",
                        "libllmworker-linux-x86_64-portable.so"),
                NativeLibrary.names("Linux", "amd64", AVX512));
        assertEquals(
                List.of("libllmworker-linux-x86_64.so", "libllmworker-linux-x86_64-portable.so"),
                NativeLibrary.names("Linux", "amd64", withoutVnni()));
        assertEquals(
                List.of("libllmworker-linux-x86_64-portable.so"),
                NativeLibrary.names("Linux", "amd64", Set.of("avx", "sse2", "fma")));
        assertEquals(
                List.of("libllmworker-linux-aarch64.so", "libllmworker-linux-aarch64-portable.so"),
                NativeLibrary.names("Linux", "aarch64", Set.of()));
        assertEquals(
                List.of("libllmworker-macos-aarch64.dylib", "libllmworker-macos-aarch64-portable.dylib"),
                NativeLibrary.names("Mac OS X", "aarch64", Set.of()));
        assertEquals(
                List.of("libllmworker-linux-riscv64-portable.so"), NativeLibrary.names("Linux", "riscv64", Set.of()));
    }

    /// As the first CPUs with AVX-512.
    private static Set<String> withoutVnni() {
        var features = new HashSet<>(AVX512);
        features.remove("avx512_vnni");
        return features;
    }

    /// build.sh and Java agree on the name for the machine that runs this test.
    @Test
    void theBuildMakesTheOneThatThisMachineTakesFirst() throws Exception {
        // A compiler that writes an empty file where g++ would write the library.
        var compiler = folder.resolve("compiler");
        Files.writeString(compiler, """
                #!/bin/bash
                while (($# > 1)); do [[ $1 != -o ]] || : >"$2"; shift; done
                """);
        assertTrue(compiler.toFile().setExecutable(true));
        var built = folder.resolve("built");
        var build = new ProcessBuilder("bash", "src/main/native/build.sh", built.toString());
        build.environment().put("CXX", compiler.toString());
        var process = build.redirectErrorStream(true).start();
        var said = new String(process.getInputStream().readAllBytes());
        assertEquals(0, process.waitFor(), said);
        var names =
                NativeLibrary.names(System.getProperty("os.name"), System.getProperty("os.arch"), CpuFeatures.read());
        try (var files = Files.newDirectoryStream(built)) {
            for (var file : files) {
                assertTrue(names.contains(file.getFileName().toString()), file + " " + said);
            }
        }
        assertTrue(Files.exists(built.resolve(names.getFirst())), said);
    }

    @Test
    void aFileForAnotherCpuIsNotLoaded() {
        var names = List.of("libllmworker-linux-x86_64.so", "libllmworker-linux-x86_64-portable.so");
        var other = folder.resolve("libllmworker-linux-x86_64-avx512.so");
        var refused = assertThrows(IOException.class, () -> NativeLibrary.fileOf(other, names));
        assertEquals(
                other + " is not for this machine, which takes " + String.join(" or ", names), refused.getMessage());
    }

    /// They would go into the jar beside programs that they do not fit.
    @Test
    void librariesThatAreOlderThanTheSourcesAreDeleted() throws Exception {
        var old = Files.createFile(folder.resolve("libllmworker-linux-riscv64-portable.so"));
        Files.setLastModifiedTime(old, FileTime.fromMillis(0));
        var build = new ProcessBuilder("bash", "src/main/native/build.sh", folder.toString());
        build.environment().put("CXX", "true");
        build.redirectErrorStream(true).start().waitFor();
        assertFalse(Files.exists(old));
    }

    @Test
    void aFolderGivesTheFirstThatItHas() throws Exception {
        var names = List.of("fast.so", "portable.so");
        var missing = assertThrows(IOException.class, () -> NativeLibrary.fileOf(folder, names));
        assertEquals(folder + " has no fast.so and no portable.so", missing.getMessage());
        Files.createFile(folder.resolve("portable.so"));
        assertEquals(folder.resolve("portable.so"), NativeLibrary.fileOf(folder, names));
        Files.createFile(folder.resolve("fast.so"));
        assertEquals(folder.resolve("fast.so"), NativeLibrary.fileOf(folder, names));
        var file = folder.resolve("of/another/name.so");
        assertEquals(file, NativeLibrary.fileOf(file, names));
    }
}
