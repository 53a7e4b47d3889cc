package dev.llmworker.testing;

import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

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

    /// Files in PEM.
    public record Pem(Path certificate, Path key) {}

    /// A certificate for `host`, and its private key.
    public Pem pemFor(String host) throws Exception {
        var password = PASSWORD.toCharArray();
        var store = KeyStore.getInstance(storeFor(host).toFile(), password);
        return new Pem(
                write(host + ".pem", "CERTIFICATE", store.getCertificate(host).getEncoded()),
                write(host + ".key", "PRIVATE KEY", store.getKey(host, password).getEncoded()));
    }

    private Path write(String name, String type, byte[] content) throws IOException {
        var lines = Base64.getMimeEncoder().encodeToString(content);
        return Files.writeString(
                folder.resolve(name), "-----BEGIN " + type + "-----\n" + lines + "\n-----END " + type + "-----\n");
    }

    /// Clients that trust the authority alone.
    public SSLContext clients() throws Exception {
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(KeyStore.getInstance(trustStore().toFile(), PASSWORD.toCharArray()));
        var context = SSLContext.getInstance("TLS");
        context.init(null, trust.getTrustManagers(), null);
        return context;
    }

    /// Listens with a certificate for `host`.
    ///
    /// @param port 0 for any
    public synchronized ServerSocket serverFor(String host, int port) throws Exception {
        var password = PASSWORD.toCharArray();
        var keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(KeyStore.getInstance(storeFor(host).toFile(), password), password);
        var context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), null, null);
        return context.getServerSocketFactory().createServerSocket(port, 50, InetAddress.getByName("127.0.0.1"));
    }

    private Path storeFor(String host) throws Exception {
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
        return folder.resolve(store);
    }

    private void keytool(String... arguments) throws IOException, InterruptedException {
        var all = new ArrayList<>(List.of(arguments));
        all.addAll(List.of(arguments[0].equals("-importkeystore") ? "-deststorepass" : "-storepass", PASSWORD));
        ChildJvm.keytool(folder, all);
    }
}
