package dev.llmworker.soak;

import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Map;
import java.util.Random;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/// Clients that never end their TLS handshakes, beside one that wants answers by TLS.
final class Handshakes {
    private static final int MAX_CONNECTIONS = 200;
    private static final int MAX_PER_ADDRESS = 40;
    private static final int ADDRESSES = 4;
    private static final int WAVES = 3;
    private static final char[] PASSWORD = "changeit".toCharArray();

    private final File log;
    private final Findings findings;
    private final Random random;

    Handshakes(File log, Findings findings, Random random) {
        this.log = log;
        this.findings = findings;
        this.random = random;
    }

    void run() throws Exception {
        var folder = Files.createTempDirectory("soak-tls");
        var tls = certify(folder);
        var environment = Map.of(
                "ENGINE", "mock",
                "TLS_CERT", folder.resolve("cert.pem").toString(),
                "TLS_KEY", folder.resolve("key.pem").toString(),
                "PORT_HEALTH", Integer.toString(WorkerUnderTest.freePort()),
                "MAX_CONNECTIONS", Integer.toString(MAX_CONNECTIONS),
                "MAX_CONNECTIONS_PER_ADDRESS", Integer.toString(MAX_PER_ADDRESS),
                "HEADER_TIMEOUT", "5s");
        try (var worker = WorkerUnderTest.start(WorkerUnderTest.freePort(), "ulimit -n 1024", log, environment)) {
            var before = answered(worker, tls);
            var most = worker.sample();
            for (var wave = 0; wave < WAVES; wave++) {
                most = most.max(wave(worker, tls));
            }
            findings.check(
                    most.descriptors() <= before.descriptors() + ADDRESSES * MAX_PER_ADDRESS + 4,
                    ADDRESSES * MAX_PER_ADDRESS + " half TLS handshakes may be open: before " + before + "; at most "
                            + most);
            var code = worker.stop();
            findings.check(code == 0 || code == 143, "SIGTERM ends it with " + code);
        }
    }

    /// One answer is right.
    private WorkerUnderTest.Sample answered(WorkerUnderTest worker, SSLContext tls) throws Exception {
        try (var wire = new Wire(worker.port, tls)) {
            var answer = wire.send(Wire.post("/generate", Prompts.generate("x", 4, "")))
                    .answer();
            findings.status(answer.status(), "/generate by TLS");
            findings.count("answer /generate by TLS");
            if (!Prompts.strings("generated_text", answer.body()).startsWith("Response to: 'x' (tokens=4")) {
                findings.violation("/generate by TLS: " + answer.body());
            }
            return worker.sample();
        }
    }

    private WorkerUnderTest.Sample wave(WorkerUnderTest worker, SSLContext tls) throws Exception {
        var hello = hello(tls);
        var wires = new ArrayList<Wire>();
        try {
            for (var i = 0; i < 2 * ADDRESSES * MAX_PER_ADDRESS; i++) {
                var wire = new Wire(worker.port, "127.0.0." + (2 + i % ADDRESSES));
                wires.add(wire);
                try {
                    wire.send(Arrays.copyOf(hello, random.nextInt(hello.length + 1)));
                } catch (IOException _) {
                    // One too many, and cut.
                }
                findings.count("half TLS handshakes");
            }
            return answered(worker, tls);
        } finally {
            for (var wire : wires) {
                wire.reset();
            }
        }
    }

    /// What a client sends first, and noise behind it.
    private byte[] hello(SSLContext tls) throws Exception {
        var engine = tls.createSSLEngine();
        engine.setUseClientMode(true);
        var hello = ByteBuffer.allocate(engine.getSession().getPacketBufferSize());
        engine.wrap(ByteBuffer.allocate(0), hello);
        var bytes = Arrays.copyOf(hello.array(), hello.position() + random.nextInt(2_000));
        for (var i = hello.position(); i < bytes.length; i++) {
            bytes[i] = (byte) random.nextInt();
        }
        return bytes;
    }

    /// Writes a certificate for 127.0.0.1 and its key.
    ///
    /// @return what trusts it
    private static SSLContext certify(Path folder) throws Exception {
        var keys = folder.resolve("keys.p12");
        var keytool = Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
        var code = new ProcessBuilder(
                        keytool,
                        "-genkeypair",
                        "-alias",
                        "worker",
                        "-keyalg",
                        "EC",
                        "-dname",
                        "CN=worker",
                        "-ext",
                        "SAN=ip:127.0.0.1",
                        "-keystore",
                        keys.toString(),
                        "-storepass",
                        new String(PASSWORD))
                .redirectErrorStream(true)
                .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                .start()
                .waitFor();
        if (code != 0) {
            throw new IOException("keytool ended with " + code);
        }
        var store = KeyStore.getInstance(keys.toFile(), PASSWORD);
        var certificate = store.getCertificate("worker");
        write(folder.resolve("cert.pem"), "CERTIFICATE", certificate.getEncoded());
        write(
                folder.resolve("key.pem"),
                "PRIVATE KEY",
                store.getKey("worker", PASSWORD).getEncoded());
        var trusted = KeyStore.getInstance(KeyStore.getDefaultType());
        trusted.load(null, null);
        trusted.setCertificateEntry("worker", certificate);
        var trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(trusted);
        var tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        return tls;
    }

    private static void write(Path file, String type, byte[] bytes) throws IOException {
        var text = Base64.getMimeEncoder().encodeToString(bytes);
        Files.writeString(file, "-----BEGIN " + type + "-----\n" + text + "\n-----END " + type + "-----\n");
    }
}
