package dev.llmworker.assembly;

import dev.llmworker.settings.Settings;
import dev.llmworker.settings.SettingsTable;
import dev.llmworker.stats.Count;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/// Warns an operator of settings that do not work with RunPod's load balancer, where the only other sign is
/// minutes of 502. These warnings never end the worker: the status of `/ping` says whether it can serve.
///
/// The platform's limits are from its documentation, read in August 2026.
public final class RunPod {
    private static final Logger LOG = LoggerFactory.getLogger(RunPod.class);

    /// The load balancer ends a request after this time, with a 524.
    private static final Duration REQUEST_CUT = Duration.ofSeconds(330);

    /// The load balancer requests `/ping` every few seconds once it knows the port.
    private static final Duration FIRST_PING_LIMIT = Duration.ofSeconds(60);

    private RunPod() {}

    /// Logs problems in the settings, and watches for the first health check. Does nothing on other platforms.
    ///
    /// @param pinged whether `/ping` was requested yet
    public static void check(Settings settings, BooleanSupplier pinged) {
        if (!isHost(settings)) {
            return;
        }
        warnings(settings).forEach(LOG::warn);
        Thread.ofVirtual().name("first-ping").start(() -> watch(settings, pinged, FIRST_PING_LIMIT, LOG::warn));
    }

    private static boolean isHost(Settings settings) {
        return settings.orNull(SettingsTable.RUNPOD_ENDPOINT_ID) != null
                || settings.orNull(SettingsTable.RUNPOD_POD_ID) != null;
    }

    /// The settings that will not work on the platform, one sentence each.
    public static List<String> warnings(Settings settings) {
        var warnings = new ArrayList<String>();
        var host = Listening.host(settings);
        var port = settings.get(SettingsTable.PORT);
        var healthPort = Listening.healthPort(settings);
        var timeout = settings.get(SettingsTable.REQUEST_TIMEOUT);
        if (isLoopback(host)) {
            warnings.add("HOST is \"" + host + "\", where the load balancer cannot reach the worker; leave it unset");
        }
        if (healthPort != port) {
            warnings.add(
                    "PORT_HEALTH is " + healthPort + " and PORT is " + port
                            + ": /ping is served at both; the endpoint must expose both as HTTP ports, or leave PORT_HEALTH unset");
        }
        if (timeout.compareTo(REQUEST_CUT) >= 0) {
            warnings.add("REQUEST_TIMEOUT is " + timeout.toSeconds()
                    + " s, and the load balancer cuts a request at " + REQUEST_CUT.toSeconds()
                    + " s, before the client gets the reason; set it to 300 or less");
        }
        if (settings.get(SettingsTable.ENGINE) == SettingsTable.Engine.DJL
                && settings.orNull(SettingsTable.MODEL) == null) {
            warnings.add(
                    "MODEL is not set, and the image fetches no starter model; set MODEL to the id of the endpoint's cached model,"
                            + " or to a file on its volume");
        }
        // A server of ENGINE_COMMAND uses the GPUs as its command says.
        var gpus = settings.orNull(SettingsTable.ENGINE_COMMAND) == null
                ? gpus(settings.orNull(SettingsTable.RUNPOD_GPU_COUNT))
                : 0;
        if (gpus > 0 && settings.get(SettingsTable.DEVICE).equals("cpu")) {
            warnings.add("DEVICE is cpu, and this machine has " + Count.of(gpus, "GPU")
                    + ", which you pay for but do not use");
        } else if (gpus > 1) {
            warnings.add("this machine has " + gpus + " GPUs, but the worker uses one; choose one GPU for each worker");
        }
        return warnings;
    }

    private static boolean isLoopback(String host) {
        return host.startsWith("127.") || host.equals("localhost") || host.equals("::1");
    }

    private static int gpus(@Nullable String count) {
        return count != null && count.matches("\\d{1,3}") ? Integer.parseInt(count) : 0;
    }

    /// Logs a warning if no health check has come within `limit`.
    static void watch(Settings settings, BooleanSupplier pinged, Duration limit, Consumer<String> warn) {
        try {
            Thread.sleep(limit);
        } catch (InterruptedException _) {
            return;
        }
        if (!pinged.getAsBoolean()) {
            warn.accept(notPinged(settings, limit));
        }
    }

    private static String notPinged(Settings settings, Duration limit) {
        var port = settings.get(SettingsTable.PORT);
        var healthPort = Listening.healthPort(settings);
        var ports = port == healthPort ? "port " + port : "ports " + port + " and " + healthPort;
        return "no /ping came in " + limit.toSeconds() + " s at " + ports
                + ": the load balancer is probing another port and returns 502; expose HTTP port " + port
                + " in the endpoint's template, or set PORT to the exposed port";
    }
}
