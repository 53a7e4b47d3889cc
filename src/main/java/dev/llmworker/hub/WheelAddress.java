package dev.llmworker.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.llmworker.hub.download.ModelUnavailableException;
import java.io.CharConversionException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/// Where a package's wheel lies, as pip tells it. Nothing here repeats an address in a message: it may hold
/// credentials.
final class WheelAddress {
    private static final int MAX_REPORT_BYTES = 4 << 20;
    private static final int MAX_LOG_BYTES = 16 << 20;
    /// How pip's log, from the first versions on, names what it chooses from.
    private static final Pattern FOUND_LINK = Pattern.compile("Found link (\\S+)");

    private static final Pattern NAME_SEPARATORS = Pattern.compile("[-_.]+");
    private static final Pattern SECRETS_OF_ADDRESS =
            Pattern.compile("([a-zA-Z][a-zA-Z0-9+.-]*://)(?:[^/\\s]*@)?([^\\s?#]*)(?:[?#]\\S*)?");
    private static final ObjectMapper JSON = new ObjectMapper();

    private WheelAddress() {}

    /// The address in the JSON that `pip install --report` writes.
    ///
    /// @throws ModelUnavailableException with the reason why there is none that this worker could fetch
    static URI ofReport(Path report) throws IOException {
        if (Files.size(report) > MAX_REPORT_BYTES) {
            throw new ModelUnavailableException("its report is longer than " + MAX_REPORT_BYTES + " bytes");
        }
        String address;
        try {
            var root = JSON.readTree(Files.readAllBytes(report));
            address = root.at("/install/0/download_info/url").asText();
        } catch (JsonProcessingException | CharConversionException _) {
            // Not passed on: it would quote the report, addresses and all.
            throw new ModelUnavailableException("its report is not JSON");
        }
        if (address.isEmpty()) {
            throw new ModelUnavailableException("its report has no install[0].download_info.url");
        }
        var parsed = webAddress(address);
        if (parsed == null) {
            var scheme = address.contains(":") ? address.substring(0, address.indexOf(':') + 1) : "no scheme";
            throw new ModelUnavailableException(
                    "its index gives an address of " + scheme + ", which is not one of the web");
        }
        return parsed;
    }

    /// The address that pip's log names for the wheel, null where it names none or more than one.
    ///
    /// @param requirement name and version, `name==version`
    static @Nullable URI inLog(Path log, String requirement) throws IOException {
        if (!Files.exists(log) || Files.size(log) > MAX_LOG_BYTES) {
            return null;
        }
        var prefix = wheelPrefix(requirement);
        var found = FOUND_LINK
                .matcher(new String(Files.readAllBytes(log)))
                .results()
                .map(link -> link.group(1).replaceFirst("#.*", ""))
                .filter(address -> isWheel(address, prefix))
                .distinct()
                .toList();
        return found.size() == 1 ? webAddress(found.getFirst()) : null;
    }

    /// The text with each address in it shortened to what may be shown: no user, password, query (it may be a
    /// signature).
    static String withoutSecrets(String text) {
        return SECRETS_OF_ADDRESS.matcher(text).replaceAll("$1$2");
    }

    /// Null where the address is not one of the web.
    static @Nullable URI webAddress(String address) {
        try {
            var parsed = URI.create(address);
            return parsed.getHost() != null && List.of("http", "https").contains(parsed.getScheme()) ? parsed : null;
        } catch (IllegalArgumentException _) {
            return null;
        }
    }

    private static boolean isWheel(String address, String prefix) {
        var path = address.replaceFirst("\\?.*", "");
        var name = path.substring(path.lastIndexOf('/') + 1).toLowerCase(Locale.ROOT);
        return name.startsWith(prefix) && name.endsWith(".whl");
    }

    /// How names of the package's wheels begin: its name with `_` for all separators, then the version.
    private static String wheelPrefix(String requirement) {
        var separator = requirement.indexOf("==");
        var name = NAME_SEPARATORS.matcher(requirement.substring(0, separator)).replaceAll("_");
        return name.toLowerCase(Locale.ROOT) + "-" + requirement.substring(separator + 2) + "-";
    }
}
