package dev.llmworker.settings;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class UnknownSettingsTest {
    @TempDir
    Path routes;

    private List<String> warnings(Map<String, String> environment) throws SettingsException {
        var variables = new HashMap<>(environment);
        variables.put("ROUTES", routes.toString());
        return UnknownSettings.warnings(SettingsSource.read(variables));
    }

    @Test
    void aVariableThatIsOneEditAwayFromASettingIsNamed() throws Exception {
        var meant = new TreeMap<>(Map.of(
                "MAX_SLOT", "MAX_SLOTS",
                "MAX_SLOTSS", "MAX_SLOTS",
                "MAX_SLOTZ", "MAX_SLOTS",
                "MAX_SOLTS", "MAX_SLOTS",
                "AX_SLOTS", "MAX_SLOTS",
                "API_KEY", "API_KEYS",
                "KERNEL", "KERNELS",
                "PROT", "PORT",
                "MDOEL", "MODEL"));
        var expected = meant.entrySet().stream()
                .map(entry -> entry.getKey() + " is no setting; did you mean " + entry.getValue() + "?")
                .toList();
        assertEquals(expected, warnings(meant));
    }

    @Test
    void otherVariablesAreNobodysConcern() throws Exception {
        var environment = new HashMap<String, String>();
        for (var name : List.of(
                "HOSTNAME",
                "HOSTS",
                "HOSTTYPE",
                "PATH",
                "PORTS",
                "POST",
                "MODE",
                "MODELS",
                "LANG",
                "SHLVL",
                "PWD",
                "OLDPWD",
                "USER",
                "TERM",
                "EDITOR",
                "LOGNAME",
                "MAIL",
                "SHELL",
                "TMPDIR",
                "TZ",
                "DISPLAY",
                "_",
                "JAVA_TOOL_OPTIONS",
                "MAVEN_OPTS",
                "OMP_NUM_THREADS",
                "CUDA_HOME",
                "HF_HUB_CACHE_DIR",
                "MAX_LOTS_OF_IT",
                "MAXSLOT",
                "max_slot",
                "KUBERNETES_SERVICE_HOST",
                "KUBERNETES_PORT",
                "LLM_PORT",
                "PYTORCH_VERSIONS",
                "RUNPOD_POD_IDS",
                "NVIDIA_VISIBLE_DEVICES",
                "XDG_CONFIG_HOME",
                "XDG_DATA_HOME",
                "SOME",
                "CI")) {
            environment.put(name, "1");
        }
        assertEquals(List.of(), warnings(environment));
        // Every setting itself is fine.
        SettingsTable.all().forEach(setting -> environment.put(setting.name(), "1"));
        assertEquals(List.of(), warnings(environment));
    }

    @Test
    void anUpperCaseKeyOfTheFileThatNothingUsesIsNamed() throws Exception {
        var file = Files.writeString(routes.resolve("application.properties"), """
                MAX_SLOT = 4
                MODELS = x
                COLOUR = blue
                PORT = 8080
                INBOX = in
                OUTBOX = out
                SHIP = a
                LLM_URL = http://localhost
                camel.main.name = worker
                camel.server.port = {{SHIP:80}}
                """);
        Files.writeString(
                routes.resolve("a.camel.yaml"), "uri: file:{{INBOX:inbox}}\nto: '{{env:OUTBOX}}/{{?LLM_URL}}'\n");
        assertEquals(
                List.of(
                        "COLOUR in " + file + " is no setting, and no route uses {{COLOUR}}",
                        "MAX_SLOT in " + file + " is no setting; did you mean MAX_SLOTS?",
                        "MODELS in " + file + " is no setting; did you mean MODEL?"),
                warnings(Map.of()));
    }

    @Test
    void aVariableThatARouteUsesIsNone() throws Exception {
        Files.writeString(routes.resolve("a.camel.yaml"), "uri: file:{{MAX_SLOT:4}}\n");
        assertEquals(List.of(), warnings(Map.of("MAX_SLOT", "1")));
        assertEquals(
                List.of("MAX_SLOT is no setting; did you mean MAX_SLOTS?"),
                UnknownSettings.warnings(SettingsSource.read(Map.of("ROUTES", "no/such/folder", "MAX_SLOT", "1"))));
    }
}
