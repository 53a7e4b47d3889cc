package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.Version;
import io.vertx.core.impl.launcher.commands.VersionCommand;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

/// Camel brings versions of what reads the network that have open advisories; `docs/decisions/0003` says which.
class DependencyVersionsTest {
    private static final String NETTY = "4.1.135";
    private static final String VERTX = "4.5.24";

    private static boolean isAtLeast(String least, String version) {
        var numbers = Arrays.stream(version.split("[^0-9]+"))
                .mapToInt(Integer::parseInt)
                .toArray();
        var leastNumbers =
                Arrays.stream(least.split("\\.")).mapToInt(Integer::parseInt).toArray();
        return Arrays.compare(numbers, leastNumbers) >= 0;
    }

    @Test
    void everyPartOfNettyIsNewEnough() {
        var versions = Version.identify();
        assertFalse(versions.isEmpty(), "Netty does not say what it is");
        versions.forEach((part, version) -> {
            // Its BoringSSL has numbers of its own.
            if (!part.contains("tcnative")) {
                assertTrue(isAtLeast(NETTY, version.artifactVersion().replace(".Final", "")), version.toString());
            }
        });
    }

    @Test
    void vertxIsNewEnough() {
        assertTrue(isAtLeast(VERTX, VersionCommand.getVersion()), VersionCommand.getVersion());
    }
}
