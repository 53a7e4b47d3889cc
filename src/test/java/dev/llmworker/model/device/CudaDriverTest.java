package dev.llmworker.model.device;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class CudaDriverTest {
    @Test
    void whyThereIsNoGpuIsSaid() {
        assertEquals(
                "the driver is too old: it runs CUDA 11.4 and older, and libtorch needs 12.0 or newer; update the driver of"
                        + " the host",
                CudaDriver.problem(11_040, 0, 1));
        assertEquals("the driver finds no GPU (error 100)", CudaDriver.problem(12_080, 100, 0));
        assertEquals("", CudaDriver.problem(12_080, 0, 2));
        assertTrue(CudaDriver.problem(12_080, 0, 0).contains("CUDA_VISIBLE_DEVICES"));
        assertTrue(CudaDriver.problem(12_080, 803, 0).contains("does not fit the driver of the host (error 803)"));
        assertEquals("the driver for CUDA 13.0 reports error 999", CudaDriver.problem(13_000, 999, 0));
    }

    /// On a machine with a GPU there is no problem; on others there is one, in words.
    @Test
    void theDriverOfThisMachineIsAsked() {
        var problem = CudaDriver.problem();
        assertFalse(problem.contains("cannot be asked"), problem);
    }
}
