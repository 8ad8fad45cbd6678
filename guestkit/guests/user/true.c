/* true: does nothing, successfully. What `bench exec` runs. */

int main(void)
{
    return 0;
}
