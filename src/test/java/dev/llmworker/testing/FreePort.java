package dev.llmworker.testing;

import java.io.FileInputStream;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Scanner;
import java.util.concurrent.ThreadLocalRandom;

/// A port that a test must name before anything listens on it. It is outside of the range from which the system chooses
/// ports, so that the system gives it to nobody else meanwhile.
public final class FreePort {
    private static final Path CHOSEN_BY_SYSTEM = Path.of("/proc/sys/net/ipv4/ip_local_port_range");
    private static final int LOWEST = 10_000;
    private static final int HIGHEST = 65_535;
    /// Where Linux begins to choose, unless it is told otherwise.
    private static final int FIRST_CHOSEN = 32_768;

    private static final int ATTEMPTS = 1_000;

    private FreePort() {}

    public static int choose() throws IOException {
        var random = ThreadLocalRandom.current();
        var first = FIRST_CHOSEN;
        var last = HIGHEST;
        if (Files.exists(CHOSEN_BY_SYSTEM)) {
            var range = new Scanner(oneRead(CHOSEN_BY_SYSTEM));
            first = range.nextInt();
            last = range.nextInt();
        }
        for (var attempt = 0; attempt < ATTEMPTS; attempt++) {
            var port = random.nextInt(LOWEST, HIGHEST + 1);
            if ((port < first || port > last) && isFree(port)) {
                return port;
            }
        }
        // The system chooses from all of them.
        try (var free = new ServerSocket(0, 1, InetAddress.getLoopbackAddress())) {
            return free.getLocalPort();
        }
    }

    /// Linux has the end of such a file after its first read, however little that was.
    private static String oneRead(Path file) throws IOException {
        var bytes = new byte[64];
        try (var in = new FileInputStream(file.toFile())) {
            return new String(bytes, 0, in.read(bytes), StandardCharsets.US_ASCII);
        }
    }

    private static boolean isFree(int port) {
        try (var _ = new ServerSocket(port, 1, InetAddress.getLoopbackAddress())) {
            return true;
        } catch (IOException _) {
            return false;
        }
    }
}
