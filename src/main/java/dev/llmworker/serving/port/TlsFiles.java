package dev.llmworker.serving.port;

import dev.llmworker.files.TextFile;
import dev.llmworker.serving.access.Settled;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.net.KeyCertOptions;
import io.vertx.core.net.PemKeyCertOptions;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.util.List;
import java.util.Map;
import javax.net.ssl.X509KeyManager;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// The certificate and the private key of the port, in PEM files that are read again when they change. Two
/// files are not replaced at one moment, and may not fit each other in between: the last ones that did stay in
/// use.
///
/// Threading: any thread.
public final class TlsFiles {
    private static final Logger LOG = LoggerFactory.getLogger(TlsFiles.class);
    private static final byte[] PROBE = "probe".getBytes(StandardCharsets.UTF_8);
    /// How a key of each kind signs.
    private static final Map<String, String> SIGNATURES =
            Map.of("RSA", "SHA256withRSA", "EC", "SHA256withECDSA", "EdDSA", "EdDSA");

    private final Path certificate;
    private final Path key;
    private final ServedCertificate served = new ServedCertificate();
    private Settled content = new Settled(new byte[0]);
    private String problem = "";

    public TlsFiles(Path certificate, Path key) {
        this.certificate = certificate;
        this.key = key;
    }

    /// @param key as in the file
    private record Pair(String certificate, String key) {
        byte[] bytes() {
            return (certificate + "\0" + key).getBytes(StandardCharsets.UTF_8);
        }
    }

    /// What the port presents to clients; it follows the files.
    ///
    /// @throws PortException if they cannot be read, or do not fit each other
    synchronized KeyCertOptions first(Vertx vertx) throws PortException {
        try {
            var pair = read();
            content = new Settled(pair.bytes());
            serve(pair, vertx);
            return KeyCertOptions.wrap(served);
        } catch (IllegalArgumentException e) {
            throw PortException.of(String.valueOf(e.getMessage()), e);
        }
    }

    /// Takes new ones, if the files have changed, and fit each other. Why they do not is said in the log once.
    ///
    /// @return whether it did
    synchronized boolean refresh(Vertx vertx) {
        try {
            var pair = read();
            if (!content.isNew(pair.bytes())) {
                return false;
            }
            serve(pair, vertx);
            problem = "";
            return true;
        } catch (IllegalArgumentException e) {
            var message = String.valueOf(e.getMessage());
            if (!message.equals(problem)) {
                LOG.error("{}; the certificate that was read before stays in use", message);
            }
            problem = message;
            return false;
        }
    }

    private Pair read() {
        return new Pair(text("TLS_CERT", certificate), text("TLS_KEY", key));
    }

    private static String text(String setting, Path file) {
        try {
            return TextFile.read(file);
        } catch (IOException e) {
            throw new IllegalArgumentException(setting + ": " + file + " cannot be read: " + e, e);
        }
    }

    private void serve(Pair pair, Vertx vertx) {
        var own = certificate(pair.certificate());
        var parsed = parsed(pair, vertx);
        var aliases = parsed == null
                ? null
                : parsed.getServerAliases(own.getPublicKey().getAlgorithm(), null);
        if (parsed == null || aliases == null) {
            throw new IllegalArgumentException(
                    "TLS_KEY: " + key + " has no private key in PEM, of RSA, EC or Ed25519 and not encrypted");
        }
        var secret = parsed.getPrivateKey(aliases[0]);
        if (!fit(own.getPublicKey(), secret)) {
            throw new IllegalArgumentException(
                    "TLS_KEY: " + key + " does not belong to the first certificate of " + certificate);
        }
        served.replace(secret, List.of(parsed.getCertificateChain(aliases[0])));
        LOG.info(
                "TLS certificate for {}, valid until {}",
                own.getSubjectX500Principal(),
                own.getNotAfter().toInstant());
    }

    /// The first one of the file, which is the worker's own.
    private X509Certificate certificate(String pem) {
        try {
            for (var one : CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(pem.getBytes(StandardCharsets.UTF_8)))) {
                if (one instanceof X509Certificate own) {
                    return own;
                }
            }
        } catch (CertificateException _) {
            // Said below.
        }
        throw new IllegalArgumentException("TLS_CERT: " + certificate + " has no certificate in PEM");
    }

    /// Null if there is no key in it.
    private static @Nullable X509KeyManager parsed(Pair pair, Vertx vertx) {
        try {
            var managers = new PemKeyCertOptions()
                    .addCertValue(Buffer.buffer(pair.certificate()))
                    .addKeyValue(Buffer.buffer(pair.key()))
                    .getKeyManagerFactory(vertx)
                    .getKeyManagers();
            return managers[0] instanceof X509KeyManager manager ? manager : null;
        } catch (Exception _) {
            // Whatever the parser stumbled over. Its message could have a part of the key.
            return null;
        }
    }

    private static boolean fit(PublicKey certified, PrivateKey secret) {
        var algorithm = SIGNATURES.get(secret.getAlgorithm());
        if (algorithm == null) {
            return false;
        }
        try {
            var signature = Signature.getInstance(algorithm);
            signature.initSign(secret);
            signature.update(PROBE);
            var signed = signature.sign();
            signature.initVerify(certified);
            signature.update(PROBE);
            return signature.verify(signed);
        } catch (GeneralSecurityException _) {
            return false;
        }
    }
}
