package dev.llmworker.assembly;

import dev.llmworker.text.TokenizerLibrary;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.ref.WeakReference;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls once what a start needs of Java's native methods while libtorch is being loaded.
///
/// The JVM looks a native method up in its libraries when it is called for the first time, and the system's linker
/// has one lock for that and for the loading of a library, whose initialisers it runs under it. Those of libtorch take
/// 0.3 s. The port, the model's header, the tokenizer and Camel would wait for them with a core idle; what has been
/// called before does not.
final class NativeMethods {
    private static final Logger LOG = LoggerFactory.getLogger(NativeMethods.class);
    private static final byte[] MESSAGE = {'x'};
    private static final long WAIT_MILLIS = 20;

    private NativeMethods() {}

    /// What fails here fails again where it is needed, and is reported there.
    static void link() {
        try {
            readFile();
            talk();
            write();
            var _ = Float.intBitsToFloat(MESSAGE.length);
            new WeakReference<>(MESSAGE).clear();
            var _ = System.console();
            var _ = switchOverTypes(MESSAGE);
            TokenizerLibrary.link();
        } catch (IOException | RuntimeException | LinkageError e) {
            LOG.debug("native methods", e);
        }
    }

    /// As the model's is found and read; these are in every Java.
    private static void readFile() throws IOException {
        var folder = Path.of(System.getProperty("java.home"), "lib");
        try (var files = Files.list(folder)) {
            var _ = files.findFirst();
        }
        var file = folder.resolve("modules");
        file.toFile().canRead();
        try (var channel = FileChannel.open(file);
                var arena = Arena.ofShared()) {
            channel.map(FileChannel.MapMode.READ_ONLY, 0, 1, arena);
        }
    }

    /// As a client of the port does: it answers while all this goes on.
    private static void talk() throws IOException {
        try (var server = ServerSocketChannel.open();
                var selector = Selector.open()) {
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            try (var client = SocketChannel.open(server.getLocalAddress());
                    var accepted = server.accept()) {
                accepted.configureBlocking(false);
                accepted.register(selector, SelectionKey.OP_READ);
                client.write(ByteBuffer.wrap(MESSAGE));
                // Someone else may have taken the connection.
                selector.select(WAIT_MILLIS);
                accepted.read(ByteBuffer.allocateDirect(MESSAGE.length));
                accepted.write(new ByteBuffer[] {ByteBuffer.wrap(MESSAGE), ByteBuffer.wrap(MESSAGE)});
                accepted.shutdownOutput();
            }
        }
    }

    /// The first one asks the JVM whether it has preview features.
    private static boolean switchOverTypes(Object object) {
        return switch (object) {
            case byte[] _ -> true;
            default -> false;
        };
    }

    /// As the log does.
    private static void write() throws IOException {
        // Not closed: it is the process's own.
        new FileOutputStream(FileDescriptor.out).write(new byte[0]);
    }
}
