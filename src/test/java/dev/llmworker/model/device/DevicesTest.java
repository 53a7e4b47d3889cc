package dev.llmworker.model.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.djl.Device;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class DevicesTest {
    private static String refusal(String name, int gpus, @Nullable String flavor) {
        return String.valueOf(
                assertThrows(IllegalArgumentException.class, () -> Devices.choose(name, gpus, flavor, () -> ""))
                        .getMessage());
    }

    @Test
    void autoTakesTheFirstGpuOrElseTheCpu() {
        assertEquals(Device.gpu(0), Devices.choose("auto", 2, "cu128", () -> ""));
        assertEquals(Device.gpu(0), Devices.choose("auto", 1, null, () -> ""));
        assertEquals(Device.cpu(), Devices.choose("auto", 0, null, () -> ""));
        assertEquals(Device.cpu(), Devices.choose("auto", 0, "cpu", () -> ""));
    }

    @Test
    void aGpuBuildWithoutItsGpuIsRefusedUnlessTheCpuIsAskedFor() {
        var refusal = refusal("auto", 0, "cu128");
        assertTrue(refusal.contains("cu128") && refusal.contains("DEVICE=cpu"), refusal);
        assertEquals(Device.cpu(), Devices.choose("cpu", 0, "cu128", () -> ""));
    }

    @Test
    void aGpuIsTakenByItsNumber() {
        assertEquals(Device.gpu(1), Devices.choose("cuda:1", 2, "cu128", () -> ""));
        assertEquals("cuda:1", Devices.name(Devices.choose("cuda:1", 2, "cu128", () -> "")));
        assertEquals("device is cuda:2; libtorch sees 2 GPUs here", refusal("cuda:2", 2, "cu128"));
        assertEquals("device is cuda; libtorch sees 0 GPUs here", refusal("cuda", 0, null));
        assertEquals("device is gpu; it can be auto, cpu, cuda:0 and so on", refusal("gpu", 2, null));
    }

    @Test
    void aRefusalSaysWhatTheDriverSays() {
        for (var name : new String[] {"auto", "cuda"}) {
            var refused = assertThrows(
                    IllegalArgumentException.class,
                    () -> Devices.choose(name, 0, "cu128", () -> "the driver is too old"));
            var message = String.valueOf(refused.getMessage());
            assertTrue(message.contains(" here: the driver is too old"), message);
        }
    }

    @Test
    void cardsWithoutKernelsAreNamed() {
        var message = "CUDA error: no kernel image is available for execution on the device";
        var named = Devices.withoutKernels(message, () -> "120");
        assertTrue(named.contains("compute capability is 12.0") && named.contains("Blackwell"), named);
        assertEquals("", Devices.withoutKernels("CUDA error: out of memory", () -> "90"));
    }

    @Test
    void aGpuThatLibtorchCannotUseIsRefusedWhereItWasMeant() {
        var problem = "libtorch has no kernel image for it";
        assertEquals(Device.cpu(), Devices.withoutGpu("auto", "cpu", problem));
        assertEquals(Device.cpu(), Devices.withoutGpu("auto", null, problem));
        for (var meant : new String[][] {{"auto", "cu128"}, {"cuda", "cpu"}, {"cuda:1", null}}) {
            var refused =
                    assertThrows(IllegalArgumentException.class, () -> Devices.withoutGpu(meant[0], meant[1], problem));
            assertEquals("device is " + meant[0] + " and libtorch cannot use it: " + problem, refused.getMessage());
        }
    }

    /// The tests run on libtorch for CPUs, where auto may be a CPU.
    @Test
    void whatIsCalledAGpuIsMeantToBeOne() {
        assertTrue(Devices.isGpuMeant("cuda") && Devices.isGpuMeant("cuda:1"));
        assertFalse(Devices.isGpuMeant("cpu") || Devices.isGpuMeant("auto"));
    }

    @Test
    void gpusBeforeAmpereTakeFloat16() {
        assertEquals(Precision.FP16, Devices.fastest("70"));
        assertEquals(Precision.FP16, Devices.fastest("75"));
        assertEquals(Precision.BF16, Devices.fastest("80"));
        assertEquals(Precision.BF16, Devices.fastest("90"));
        assertEquals(Precision.BF16, Devices.fastest("120"));
    }
}
