package dev.llmworker.child;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;

/// A program that starts a server and does nothing more, for tests that kill it.
final class LauncherHost {
    private LauncherHost() {}

    /// @param arguments the server's command
    public static void main(String[] arguments) throws Exception {
        var server = new Launcher(System.getenv(), Duration.ofSeconds(1)).start(List.of(arguments));
        server.getInputStream().transferTo(System.out);
        new CountDownLatch(1).await();
    }
}
