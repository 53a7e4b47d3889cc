package dev.llmworker;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.netty.util.Version;
import io.vertx.core.impl.launcher.commands.VersionCommand;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/// Camel brings versions of what reads the network that have open advisories; `docs/security.md` says which.
class DependencyVersionsTest {
    private static final String NETTY = "4.1.138";
    private static final String VERTX = "4.5.30";

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

    /// @param type a class of the library
    /// @param least the first version without the advisories that are known
    @ParameterizedTest
    @CsvSource({
        "com.fasterxml.jackson.core.JsonFactory, 2.22.2",
        "com.fasterxml.jackson.databind.ObjectMapper, 2.22.2",
        "org.apache.hc.client5.http.impl.classic.CloseableHttpClient, 5.6.4",
        "org.apache.hc.core5.http.HttpHost, 5.4.3",
        "ch.qos.logback.core.Context, 1.5.36",
        "io.micrometer.core.instrument.MeterRegistry, 1.16.7",
        "ai.djl.Model, 0.31.1"
    })
    void otherLibrariesAreNewEnough(String type, String least) throws Exception {
        var jar = Path.of(Class.forName(type)
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI())
                .getFileName()
                .toString();
        assertTrue(isAtLeast(least, jar.replaceFirst("^.*?-(?=\\d)", "").replace(".jar", "")), jar);
    }
}
