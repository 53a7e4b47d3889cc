package dev.llmworker.settings;

import dev.llmworker.remote.RemoteOptions;
import dev.llmworker.remote.ServerAddress;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.util.ArrayList;
import org.jspecify.annotations.Nullable;

/// The settings of `ENGINE=openai`.
public final class RemoteSettings {
    private static final String BASE_URL = "ENGINE_BASE_URL";
    private static final String CA_FILE = "ENGINE_CA_FILE";
    private static final int MAX_CONNECTIONS = 16_384;

    private RemoteSettings() {}

    /// @throws SettingsException naming the variable, its value and its limits
    public static RemoteOptions read(Settings settings) throws SettingsException {
        var from = new SettingsReader(settings.values());
        var urls = from.text(BASE_URL);
        if (urls == null) {
            throw new SettingsException("ENGINE is openai, so " + BASE_URL
                    + " must be set: http://localhost:8000/v1, or several with commas");
        }
        var servers = new ArrayList<ServerAddress>();
        for (var url : urls.split(",")) {
            try {
                servers.add(ServerAddress.parse(url));
            } catch (IllegalArgumentException e) {
                throw SettingsReader.wrong(BASE_URL, url, String.valueOf(e.getMessage()));
            }
        }
        var healthPath = from.text("ENGINE_HEALTH_PATH", RemoteOptions.DEFAULT_HEALTH_PATH);
        var unasked = healthPath.equals("none");
        if (!unasked && !healthPath.matches("/[!-~]*")) {
            throw SettingsReader.wrong("ENGINE_HEALTH_PATH", healthPath, "a path, such as /health, or none");
        }
        if (unasked && from.text("ENGINE_MODEL") == null) {
            throw new SettingsException("ENGINE_HEALTH_PATH is none, so ENGINE_MODEL must be set");
        }
        return new RemoteOptions(
                servers,
                from.text("ENGINE_API_KEY"),
                authorities(from.text(CA_FILE)),
                from.text("ENGINE_MODEL"),
                from.whole("ENGINE_CONNECTIONS", 1, MAX_CONNECTIONS, RemoteOptions.DEFAULT_CONNECTIONS),
                unasked ? null : healthPath,
                settings.requestTimeout());
    }

    /// The text of the file, which is read once.
    private static @Nullable String authorities(@Nullable String file) throws SettingsException {
        if (file == null) {
            return null;
        }
        try {
            var text = Files.readString(Path.of(file));
            var bytes = new ByteArrayInputStream(text.getBytes(StandardCharsets.UTF_8));
            if (!CertificateFactory.getInstance("X.509")
                    .generateCertificates(bytes)
                    .isEmpty()) {
                return text;
            }
        } catch (IOException | InvalidPathException | CertificateException _) {
            // Told below, as a file without any is.
        }
        throw SettingsReader.wrong(
                CA_FILE, file, "a file of certificates in PEM, which begin with -----BEGIN CERTIFICATE-----");
    }
}
