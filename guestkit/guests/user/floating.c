/* Floating point alone, as work.c. The same source is compiled for x87 and for SSE2; NAME(x) is the workload's name in this build. */

#include "measure.h"

static u32 hash(const void *bytes, u32 size)
{
    const u32 *words = bytes;
    u32 sum = 0;

    for (u32 i = 0; i < size / sizeof *words; i++)
        sum = (sum << 5 | sum >> 27) ^ words[i];
    return sum;
}

/* -- matrix: products of matrices of doubles */

#define SIDE 64

static double left[SIDE][SIDE], right[SIDE][SIDE], product[SIDE][SIDE];

static u32 matrix(u32 iterations)
{
    for (u32 i = 0; i < SIDE; i++)
        for (u32 j = 0; j < SIDE; j++) {
            left[i][j] = (int)(i * 7 + j * 3) % 11 / 8.0 - 0.6;
            right[i][j] = (int)(i * 5 + j * 13) % 17 / 16.0 - 0.5;
        }
    while (iterations-- > 0) {
        for (u32 i = 0; i < SIDE; i++)
            for (u32 j = 0; j < SIDE; j++) {
                double sum = 0;
                for (u32 k = 0; k < SIDE; k++)
                    sum += left[i][k] * right[k][j];
                product[i][j] = sum;
            }
        left[iterations % SIDE][iterations / SIDE % SIDE] = product[3][5] / 64;
    }
    return hash(product, sizeof product);
}

/* -- mandelbrot: how soon points of the plane leave the circle of radius 2 */

#define WIDTH 64
#define HEIGHT 48
#define MOST_STEPS 256

static u32 mandelbrot(u32 iterations)
{
    u32 total = 0;

    for (u32 frame = 0; frame < iterations; frame++)
        for (u32 row = 0; row < HEIGHT; row++)
            for (u32 column = 0; column < WIDTH; column++) {
                double cr = (int)column * (3.0 / WIDTH) - 2.1 + (int)frame * 0.001, ci = (int)row * (2.4 / HEIGHT) - 1.2;
                double zr = 0, zi = 0, rr = 0, ii = 0;
                u32 step = 0;
                while (step < MOST_STEPS && rr + ii <= 4) {
                    zi = 2 * zr * zi + ci;
                    zr = rr - ii + cr;
                    rr = zr * zr;
                    ii = zi * zi;
                    step++;
                }
                total = total * 31 + step;
            }
    return total;
}

/* -- fir: a filter of single-precision samples */

#define TAPS 64
#define SAMPLES 2048

static float taps[TAPS], samples[SAMPLES + TAPS], filtered[SAMPLES];

static u32 fir(u32 iterations)
{
    for (u32 i = 0; i < TAPS; i++)
        taps[i] = (int)(i * (TAPS - i) % 29) / 512.0f - 0.01f;
    for (u32 i = 0; i < SAMPLES + TAPS; i++)
        samples[i] = (int)(i * 37 % 255) / 128.0f - 1;
    while (iterations-- > 0) {
        for (u32 i = 0; i < SAMPLES; i++) {
            float sum = 0;
            for (u32 k = 0; k < TAPS; k++)
                sum += taps[k] * samples[i + k];
            filtered[i] = sum;
        }
        samples[iterations % SAMPLES] = filtered[7];
    }
    return hash(filtered, sizeof filtered);
}

static const struct measured workloads[] = {
    { .name = NAME("matrix"), .iterations = 10, .run = matrix },
    { .name = NAME("mandelbrot"), .iterations = 10, .run = mandelbrot },
    { .name = NAME("fir"), .iterations = 20, .run = fir },
};

int main(int argc, char **argv)
{
    return measure(argc, argv, workloads, COUNT(workloads), 1);
}
