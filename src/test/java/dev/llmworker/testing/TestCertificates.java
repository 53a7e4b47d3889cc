package dev.llmworker.testing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/// An authority and what it has certified, made by the JDK's `keytool` in a folder of the test.
public final class TestCertificates {
    public static final String PASSWORD = "changeit";

    private final Path folder;

    public TestCertificates(Path folder) throws Exception {
        this.folder = folder;
        keytool(
                "-genkeypair",
                "-alias",
                "authority",
                "-keystore",
                "keys.p12",
                "-keyalg",
                "EC",
                "-dname",
                "CN=authority",
                "-ext",
                "bc:critical=ca:true");
        keytool("-exportcert", "-rfc", "-alias", "authority", "-keystore", "keys.p12", "-file", "authority.pem");
        keytool("-importcert", "-noprompt", "-alias", "authority", "-keystore", "trust.p12", "-file", "authority.pem");
    }

    /// The authority's own certificate, in PEM.
    public Path authority() {
        return folder.resolve("authority.pem");
    }

    /// A key store that holds only that.
    public Path trustStore() {
        return folder.resolve("trust.p12");
    }

    /// Listens with a certificate for `host`.
    ///
    /// @param port 0 for any
    public ServerSocket serverFor(String host, int port) throws Exception {
        var store = host + ".p12";
        if (Files.notExists(folder.resolve(store))) {
            keytool(
                    "-genkeypair",
                    "-alias",
                    host,
                    "-keystore",
                    "keys.p12",
                    "-keyalg",
                    "EC",
                    "-dname",
                    "CN=" + host,
                    "-signer",
                    "authority",
                    "-ext",
                    "san=dns:" + host);
            keytool(
                    "-importkeystore",
                    "-srckeystore",
                    "keys.p12",
                    "-srcstorepass",
                    PASSWORD,
                    "-srcalias",
                    host,
                    "-destkeystore",
                    store);
        }
        var password = PASSWORD.toCharArray();
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(KeyStore.getInstance(folder.resolve(store).toFile(), password), password);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context.getServerSocketFactory().createServerSocket(port, 50, InetAddress.getByName("127.0.0.1"));
    }

    private void keytool(String... arguments) throws IOException, InterruptedException {
        var command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString()));
        command.addAll(List.of(arguments));
        command.addAll(List.of(arguments[0].equals("-importkeystore") ? "-deststorepass" : "-storepass", PASSWORD));
        var process = new ProcessBuilder(command)
                .directory(folder.toFile())
                .redirectErrorStream(true)
                .start();
        var said = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertEquals(0, process.waitFor(), command + ": " + said);
    }
}
