package dev.llmworker.serving.port;

import java.net.Socket;
import java.security.Principal;
import java.security.PrivateKey;
import java.security.cert.X509Certificate;
import java.util.List;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.X509ExtendedKeyManager;
import org.jspecify.annotations.Nullable;

/// The certificate that handshakes get, which may be replaced at any time. Vert.x can replace it, too, but drops the
/// connections that come meanwhile.
///
/// A handshake first chooses an alias and then asks for its key and its chain. So each certificate has an alias of its
/// own, and the one before is still known.
///
/// Threading: one thread replaces; any thread reads.
final class ServedCertificate extends X509ExtendedKeyManager {
    private volatile @Nullable Identity current;
    private volatile @Nullable Identity previous;
    private int count;

    /// @param chain the own certificate first
    private record Identity(String alias, PrivateKey key, List<X509Certificate> chain) {}

    void replace(PrivateKey key, List<X509Certificate> chain) {
        previous = current;
        count++;
        current = new Identity("certificate " + count, key, List.copyOf(chain));
    }

    private @Nullable String alias(String keyType) {
        var now = current;
        return now != null && now.key().getAlgorithm().equals(keyType) ? now.alias() : null;
    }

    private @Nullable Identity identity(String alias) {
        var now = current;
        var before = previous;
        if (now != null && now.alias().equals(alias)) {
            return now;
        }
        return before != null && before.alias().equals(alias) ? before : null;
    }

    @Override
    public @Nullable String chooseEngineServerAlias(String keyType, Principal[] issuers, SSLEngine engine) {
        return alias(keyType);
    }

    @Override
    public @Nullable String chooseServerAlias(String keyType, Principal[] issuers, Socket socket) {
        return alias(keyType);
    }

    @Override
    public String @Nullable [] getServerAliases(String keyType, Principal[] issuers) {
        var alias = alias(keyType);
        return alias == null ? null : new String[] {alias};
    }

    @Override
    public X509Certificate @Nullable [] getCertificateChain(String alias) {
        var identity = identity(alias);
        return identity == null ? null : identity.chain().toArray(X509Certificate[]::new);
    }

    @Override
    public @Nullable PrivateKey getPrivateKey(String alias) {
        var identity = identity(alias);
        return identity == null ? null : identity.key();
    }

    @Override
    public String @Nullable [] getClientAliases(String keyType, Principal[] issuers) {
        return null;
    }

    @Override
    public @Nullable String chooseClientAlias(String[] keyTypes, Principal[] issuers, Socket socket) {
        return null;
    }
}
