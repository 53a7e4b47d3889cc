package dev.llmworker.assembly;

import dev.llmworker.text.HuggingFaceEncoder;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.ref.WeakReference;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.StandardSocketOptions;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.SelectionKey;
import java.nio.channels.Selector;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Calls Java's native methods once before they are needed, while libtorch is being loaded.
///
/// The JVM looks up a native method in its libraries at the first call. The system's linker has one lock for this
/// look-up and for loading a library. It holds the lock while the library's initialisers run, which takes 0.3 s
/// for libtorch. The port, the model's header, the tokenizer and Camel would wait for it with a core idle. A
/// method that was called before does not need the lock.
final class NativeMethods {
    private static final Logger LOG = LoggerFactory.getLogger(NativeMethods.class);
    private static final byte[] MESSAGE = {'x'};
    private static final long WAIT_MILLIS = 20;

    private static final FutureTask<Void> LINKING = new FutureTask<>(NativeMethods::callAll, null);

    private NativeMethods() {}

    /// Calls them on a thread of its own.
    static void startLinking() {
        Thread.ofPlatform().name("linking").daemon().start(LINKING);
    }

    /// Calls them, or waits until they were called.
    static void link() {
        // Returns at once if another thread does it or has done it.
        LINKING.run();
        try {
            LINKING.get();
        } catch (ExecutionException e) {
            throw new IllegalStateException(e.getCause());
        } catch (InterruptedException _) {
            // They are only called to save time.
            Thread.currentThread().interrupt();
        }
    }

    /// A failure is not reported here: it occurs again where the method is needed.
    private static void callAll() {
        try {
            readFile();
            talk();
            write();
            var _ = Float.intBitsToFloat(MESSAGE.length);
            new WeakReference<>(MESSAGE).clear();
            var _ = System.console();
            var _ = switchOverTypes(MESSAGE);
            HuggingFaceEncoder.link();
            describeMachine();
        } catch (IOException | RuntimeException | LinkageError e) {
            LOG.debug("native methods", e);
        }
    }

    /// The calls that find and read a model; every Java has these files.
    private static void readFile() throws IOException {
        var folder = Path.of(System.getProperty("java.home"), "lib");
        try (var files = Files.list(folder)) {
            var _ = files.findFirst();
        }
        var _ = folder.toFile().list();
        var file = folder.resolve("modules");
        file.toFile().canRead();
        try (var channel = FileChannel.open(file);
                var arena = Arena.ofShared()) {
            channel.map(FileChannel.MapMode.READ_ONLY, 0, 1, arena);
        }
    }

    /// The calls of the port and its clients, which must answer during the start.
    private static void talk() throws IOException {
        try (var server = ServerSocketChannel.open();
                var selector = Selector.open()) {
            server.setOption(StandardSocketOptions.SO_REUSEADDR, true);
            server.bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0));
            try (var client = SocketChannel.open(server.getLocalAddress());
                    var accepted = server.accept()) {
                accepted.configureBlocking(false);
                accepted.register(selector, SelectionKey.OP_READ);
                client.write(ByteBuffer.wrap(MESSAGE));
                // Another process may have taken the connection.
                selector.select(WAIT_MILLIS);
                selector.wakeup();
                selector.selectNow();
                accepted.read(ByteBuffer.allocateDirect(MESSAGE.length));
                accepted.write(new ByteBuffer[] {ByteBuffer.wrap(MESSAGE), ByteBuffer.wrap(MESSAGE)});
                accepted.shutdownOutput();
            }
        }
    }

    /// The calls by which Netty makes ids of the process and the machine, and those of the first virtual thread.
    private static void describeMachine() throws SocketException {
        var _ = ProcessHandle.current().isAlive();
        for (var network : Collections.list(NetworkInterface.getNetworkInterfaces())) {
            network.isLoopback();
            network.getHardwareAddress();
        }
        Thread.startVirtualThread(() -> {});
    }

    /// The first such switch checks whether the JVM has preview features.
    private static boolean switchOverTypes(Object object) {
        return switch (object) {
            case byte[] _ -> true;
            default -> false;
        };
    }

    /// The calls of the log.
    private static void write() throws IOException {
        // Not closed: the stream belongs to the process.
        new FileOutputStream(FileDescriptor.out).write(new byte[0]);
    }
}
