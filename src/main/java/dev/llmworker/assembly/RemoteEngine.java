package dev.llmworker.assembly;

import dev.llmworker.files.TextFile;
import dev.llmworker.remote.RemoteOptions;
import dev.llmworker.remote.ServerAddress;
import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsException;
import dev.llmworker.settings.SettingsTable;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Reads the settings of `ENGINE=openai`.
final class RemoteEngine {
    private static final String NO_CHECK = "none";

    private RemoteEngine() {}

    /// @throws SettingsException with the variable, its value and its limits
    static RemoteOptions options(Settings settings) throws SettingsException {
        return options(settings, servers(settings));
    }

    /// Of a server that the worker starts itself, at addresses that change.
    static RemoteOptions ofChild(Settings settings) throws SettingsException {
        if (settings.get(SettingsTable.ENGINE_HEALTH_PATH).equals(NO_CHECK)) {
            throw new SettingsException("ENGINE_HEALTH_PATH is none, and ENGINE_COMMAND needs a health check");
        }
        return options(settings, List.of());
    }

    private static RemoteOptions options(Settings settings, List<ServerAddress> servers) throws SettingsException {
        var healthPath = settings.get(SettingsTable.ENGINE_HEALTH_PATH);
        var isChecked = !healthPath.equals(NO_CHECK);
        var model = settings.orNull(SettingsTable.ENGINE_MODEL);
        if (!isChecked && model == null) {
            throw new SettingsException("ENGINE_HEALTH_PATH is none, so ENGINE_MODEL must be set");
        }
        return new RemoteOptions(
                servers,
                settings.orNull(SettingsTable.ENGINE_API_KEY),
                authorities(settings.orNull(SettingsTable.ENGINE_CA_FILE)),
                model,
                settings.get(SettingsTable.ENGINE_CONNECTIONS),
                isChecked ? healthPath : null,
                settings.get(SettingsTable.REQUEST_TIMEOUT));
    }

    private static List<ServerAddress> servers(Settings settings) throws SettingsException {
        var urls = settings.orNull(SettingsTable.ENGINE_BASE_URL);
        if (urls == null) {
            throw new SettingsException(
                    "ENGINE is openai, so ENGINE_BASE_URL or ENGINE_COMMAND must be set: http://localhost:8000/v1, or several"
                            + " with commas; or the command of a server");
        }
        var servers = new ArrayList<ServerAddress>();
        for (var url : urls.split(",")) {
            try {
                servers.add(ServerAddress.parse(url));
            } catch (IllegalArgumentException e) {
                throw SettingsTable.ENGINE_BASE_URL.refused(url, String.valueOf(e.getMessage()));
            }
        }
        return servers;
    }

    /// The text of the file, which is read once.
    private static @Nullable String authorities(@Nullable String file) throws SettingsException {
        if (file == null) {
            return null;
        }
        try {
            var text = TextFile.read(Path.of(file));
            var bytes = new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
            if (!CertificateFactory.getInstance("X.509")
                    .generateCertificates(bytes)
                    .isEmpty()) {
                return text;
            }
        } catch (IOException | InvalidPathException | CertificateException _) {
            // Rejected below, like a file without certificates.
        }
        throw SettingsTable.ENGINE_CA_FILE.refused(
                file, "a file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----");
    }
}
